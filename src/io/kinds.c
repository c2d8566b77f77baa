/* SPDX-License-Identifier: MIT
 *
 * kinds.c - the kinds of files that hold arrays, told by their first bytes, and what is said of
 * those that are not read. */
#include "io/arrays.h"

static bool is_zip_of_arrays(const mucmm__found *f)
{
    static const char *const others[] = {".pt", ".pth", ".xlsx", ".ods"}; /* zip files too */

    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        if (mucmm__ends_with(f->label, others[k]))
            return false;
    return mucmm__is_zip(f->bytes, f->size);
}

static bool holds_names(const mucmm__found *f)
{
    return is_zip_of_arrays(f) || mucmm__is_hdf5(f->bytes, f->size) ||
           mucmm__is_tensors(f->bytes, f->size);
}

bool mucmm__holds_array(const mucmm__found *f)
{
    return holds_names(f) || mucmm__is_npy(f->bytes, f->size) || mucmm__is_idx(f->bytes, f->size) ||
           (mucmm__is_gzip(f->bytes, f->size) && !mucmm__is_table_name(f->label));
}

mucmm_status mucmm__array_parse(mucmm_ctx *ctx, const mucmm__found *f, unsigned char **owned,
                                mucmm__map *made, mucmm__array *out, mucmm__table *names)
{
    mucmm_status status = MUCMM_OK;
    size_t size;

    if (f->name && !holds_names(f))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: only .npz, .safetensors and HDF5 files hold arrays by name; leave "
                           "':%s' out",
                           f->label, f->name);
    if (is_zip_of_arrays(f))
        return mucmm__npz_parse(ctx, f->label, f->name, f->bytes, f->size, owned, out);
    if (mucmm__is_hdf5(f->bytes, f->size))
        return mucmm__hdf5_read_apart(ctx, f, made, out, names);
    if (mucmm__is_npy(f->bytes, f->size))
        return mucmm__npy_parse(ctx, f->label, f->bytes, f->size, out);
    if (mucmm__is_idx(f->bytes, f->size))
        return mucmm__idx_parse(ctx, f->label, f->bytes, f->size, out);
    if (mucmm__is_tensors(f->bytes, f->size))
        return mucmm__tensors_parse(ctx, f->label, f->name, f->bytes, f->size, owned, out);
    TRY(mucmm__idx_inflate(ctx, f->label, f->bytes, f->size, owned, &size));
    TRY(mucmm__idx_parse(ctx, f->label, *owned, size, out));
done:
    return status;
}

mucmm_status mucmm__kind_fail(mucmm_ctx *ctx, const char *label)
{
    static const char *const kinds[][2] = {
        {".parquet", "Parquet: pandas.read_parquet, then to_csv"},
        {".feather", "Feather: pandas.read_feather, then to_csv"},
        {".arrow", "Arrow: pandas.read_feather, then to_csv"},
        {".mat", "MATLAB: save it with '-v7.3', or scipy.io.loadmat, then numpy.save"},
        {".xlsx", "Excel: save the sheet as .csv"},
        {".xls", "Excel: save the sheet as .csv"},
        {".ods", "a spreadsheet: save the sheet as .csv"},
        {".rds", "R: write.csv of what readRDS gives"},
        {".rdata", "R: write.csv of what load brings"},
        {".rda", "R: write.csv of what load brings"},
        {".pkl", "a pickle, which may run code: numpy.save of the array in it"},
        {".pickle", "a pickle, which may run code: numpy.save of the array in it"},
        {".pt", "PyTorch: numpy.save of tensor.numpy(), or safetensors"},
        {".pth", "PyTorch: numpy.save of tensor.numpy(), or safetensors"},
    };

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (mucmm__ends_with(label, kinds[k][0]))
            return mucmm__fail(ctx, MUCMM_EUNSUPPORTED, "%s: not a kind this program reads (%s)",
                               label, kinds[k][1]);
    return mucmm__fail(
        ctx, MUCMM_EUNSUPPORTED,
        "%s: not a kind this program reads (.npy, .npz, .csv[.gz], .tsv[.gz], .safetensors, "
        ".h5, .h5ad, .idx[.gz])",
        label);
}
