/* SPDX-License-Identifier: MIT
 *
 * test_vjp.c - the vector-Jacobian product of every differentiable operator against finite
 * differences of its forward pass.
 *
 * A case is an operator at an opset, its attributes and its inputs, separated by spaces:
 *   2x3x5         differentiated, spaced values in -2..2 that keep away from kinks; s = rank 0
 *   +2x3          the same in 0.5..2.5        u2x3  in -0.9..0.9      g2x3  in 1.2..3
 *   c2x3 c+2x3    a constant of the file with such values
 *   i2:1,3 f:0.5  a constant of given values: i int64, t int32, b bool, f float32, y uint8, a int8
 *   ri2:1,3       the same, given at run time
 *   _             absent */
#include "gradients.h"
#include "onnx_builder.h"

typedef struct vjp_case {
    const char *op;
    int32_t opset;
    const char *attributes, *inputs;
    int32_t n_out; /* 0 = 1 */
    double tolerance;
} vjp_case;

static const vjp_case cases[] = {
    /* ---- elementwise */
    {"Abs", 13, "", "2x3x4", 0, 0},
    {"Neg", 13, "", "2x3", 0, 0},
    {"Exp", 13, "", "3x5", 0, 0},
    {"Log", 13, "", "+3x5", 0, 0},
    {"Sqrt", 13, "", "+7", 0, 0},
    {"Reciprocal", 13, "", "+2x3", 0, 0},
    {"Relu", 14, "", "5x7", 0, 0},
    {"Relu", 7, "", "1", 0, 0},
    {"Relu", 13, "", "0x3", 0, 0},
    {"Sigmoid", 13, "", "33", 0, 0},
    {"Tanh", 13, "", "4x9", 0, 0},
    {"Erf", 13, "", "4x9", 0, 0},
    {"Sin", 7, "", "9", 0, 0},
    {"Cos", 7, "", "9", 0, 0},
    {"Tan", 7, "", "u9", 0, 0},
    {"Asin", 7, "", "u9", 0, 5e-3},
    {"Acos", 7, "", "u9", 0, 5e-3},
    {"Atan", 7, "", "9", 0, 0},
    {"Sinh", 9, "", "9", 0, 0},
    {"Cosh", 9, "", "9", 0, 0},
    {"Asinh", 9, "", "9", 0, 0},
    {"Acosh", 9, "", "g9", 0, 0},
    {"Atanh", 9, "", "u9", 0, 5e-3},
    {"Softplus", 7, "", "2x8", 0, 0},
    {"Softsign", 7, "", "2x8", 0, 0},
    {"Elu", 7, "alpha=0.7", "2x8", 0, 0},
    {"Selu", 7, "", "2x8", 0, 0},
    {"Selu", 7, "alpha=1.5 gamma=0.8", "2x8", 0, 0},
    {"Celu", 12, "alpha=2.0", "2x8", 0, 0},
    {"LeakyRelu", 7, "", "2x8", 0, 0},
    {"LeakyRelu", 16, "alpha=0.3", "2x8", 0, 0},
    {"ThresholdedRelu", 10, "alpha=1.0", "2x8", 0, 0},
    {"HardSigmoid", 7, "alpha=0.5 beta=0.5", "2x8", 0, 0},
    {"HardSwish", 14, "", "2x8", 0, 0},
    {"Mish", 17, "", "2x8", 0, 0},
    {"Shrink", 9, "lambd=1.0 bias=0.25", "2x8", 0, 0},
    {"Identity", 13, "", "2x8", 0, 0},
    {"Identity", 16, "", "s", 0, 0},
    {"Cast", 13, "to=1", "2x3", 0, 0},
    {"Cast", 9, "to=1", "2x3", 0, 0},
    {"CastLike", 15, "", "2x3 f:1", 0, 0},
    {"Clip", 7, "min=-1.0 max=0.5", "3x8", 0, 0},
    {"Clip", 11, "", "3x8 f:-1 f:0.5", 0, 0},
    {"Clip", 13, "", "3x8 _ f:0.5", 0, 0},
    {"Dropout", 7, "ratio=0.3", "3x4", 0, 0},
    {"Dropout", 13, "", "3x4 f:0.3", 0, 0},
    {"PRelu", 9, "", "2x3x4 3x1", 0, 0},
    {"PRelu", 16, "", "2x3x4 c4", 0, 0},
    {"PRelu", 7, "", "2x3x4 2x3x4", 0, 0},
    {"Add", 7, "", "2x3x4 2x3x4", 0, 0},
    {"Add", 13, "", "2x3x4 3x1", 0, 0},
    {"Add", 14, "", "2x1x4 1x3x1", 0, 0},
    {"Add", 14, "", "s 2x3", 0, 0},
    {"Add", 14, "", "2x0x4 2x1x4", 0, 0},
    {"Sub", 7, "", "2x3x4 4", 0, 0},
    {"Sub", 14, "", "1 5x1x2", 0, 0},
    {"Mul", 7, "", "2x3x4 2x1x1", 0, 0},
    {"Mul", 14, "", "2x3 s", 0, 0},
    {"Mul", 14, "", "1x1x5 3x1x1x1", 0, 0},
    {"Div", 7, "", "2x3x4 +3x1", 0, 0},
    {"Div", 14, "", "4 +2x3x4", 0, 0},
    {"Pow", 7, "", "+2x3x4 3x1", 0, 0},
    {"Pow", 13, "", "+4 u2x3x4", 0, 0},
    {"Pow", 15, "", "2x5 f:2", 0, 0},
    {"Pow", 15, "", "2x5 f:3", 0, 0},
    {"Min", 8, "", "3x4 u4", 0, 0},
    {"Min", 13, "", "3x4 u3x1 +1x4", 0, 0},
    {"Max", 8, "", "3x4", 0, 0},
    {"Max", 13, "", "3x4 3x1 s", 0, 0},
    {"Sum", 8, "", "3x4 3x1 4", 0, 0},
    {"Sum", 13, "", "3x4", 0, 0},
    {"Mean", 8, "", "3x4 3x4 1x4", 0, 0},
    {"Mean", 13, "", "2x1 1x3 s", 0, 0},
    {"Where", 9, "", "b2x3:1,0,1,0,0,1 2x3 2x3", 0, 0},
    {"Where", 16, "", "b2x1:1,0 4x1x3 s", 0, 0},
    {"Mod", 13, "fmod=1", "4x3 f:0.7", 0, 0},

    /* ---- products */
    {"MatMul", 9, "", "3x4 4x5", 0, 0},
    {"MatMul", 13, "", "2x3x4 4x5", 0, 0},
    {"MatMul", 13, "", "2x1x3x4 3x4x2", 0, 0},
    {"MatMul", 13, "", "4 4x5", 0, 0},
    {"MatMul", 13, "", "2x3x4 4", 0, 0},
    {"MatMul", 13, "", "4 4", 0, 0},
    {"MatMul", 13, "", "3x4 c4x5", 0, 0},
    {"MatMul", 13, "", "2x0x4 c4x5", 0, 0},
    {"MatMul", 13, "", "3x0 0x5", 0, 0},
    {"MatMul", 13, "", "5x2x3 5x3x2", 0, 0},
    {"Gemm", 7, "", "3x4 4x5 5", 0, 0},
    {"Gemm", 9, "transA=1 alpha=0.5 beta=2.0", "4x3 4x5 3x1", 0, 0},
    {"Gemm", 11, "transB=1", "3x4 c5x4", 0, 0},
    {"Gemm", 13, "transA=1 transB=1", "4x3 5x4 s", 0, 0},
    {"Gemm", 13, "transB=1", "1x4 c1x4 c1", 0, 0},
    {"MatMul", 13, "", "2x9x16 c16x24", 0, 0},
    {"Gemm", 13, "transB=1 alpha=0.5 beta=2.0", "9x16 c24x16 c24", 0, 0},
    {"Einsum", 12, "equation=ij,jk->ik", "3x4 4x2", 0, 0},
    {"Einsum", 12, "equation=bihd,bjhd->bhij", "2x3x2x4 2x5x2x4", 0, 0},
    {"Einsum", 12, "equation=ij,jk,kl->il", "2x3 3x4 4x2", 0, 0},
    {"Einsum", 12, "equation=...ij,...jk->...ik", "2x1x3x4 3x4x2", 0, 0},
    {"Einsum", 12, "equation=ii,ij->j", "3x3 3x2", 0, 0},
    {"Einsum", 12, "equation=bij,bjk->bik", "2x3x4 2x4x2", 0, 0},
    {"Einsum", 12, "equation=bhid,bhjd->bhij", "2x2x3x4 2x2x5x4", 0, 0},
    {"Einsum", 12, "equation=...ij,j->...i", "2x3x4 4", 0, 0},
    {"Einsum", 12, "equation=ij->j", "3x4", 0, 0},
    {"Einsum", 12, "equation=ii->i", "3x3", 0, 0},
    {"Einsum", 12, "equation=i,j", "3 4", 0, 0},
    {"Det", 11, "", "3x3", 0, 0},
    {"Det", 11, "", "2x2x4x4", 0, 0},
    {"Det", 11, "", "2x1x1", 0, 0},

    /* ---- reductions */
    {"ReduceSum", 11, "axes=[1] keepdims=0", "2x3x4", 0, 0},
    {"ReduceSum", 13, "keepdims=1", "2x3x4 i2:0,-1", 0, 0},
    {"ReduceSum", 13, "noop_with_empty_axes=1", "2x3", 0, 0},
    {"ReduceSum", 13, "", "2x0x3 i1:1", 0, 0},
    {"ReduceMean", 11, "axes=[2,3]", "2x3x4x2", 0, 0},
    {"ReduceMean", 13, "keepdims=0", "2x3", 0, 0},
    {"ReduceSumSquare", 13, "axes=[-1]", "2x3x4", 0, 0},
    {"ReduceL1", 13, "axes=[0]", "3x4", 0, 0},
    {"ReduceL2", 13, "axes=[1]", "3x4", 0, 0},
    {"ReduceLogSum", 13, "axes=[1]", "+3x4", 0, 0},
    {"ReduceLogSumExp", 13, "axes=[0,2]", "2x3x4", 0, 0},
    {"ReduceMax", 13, "axes=[1]", "2x5x3", 0, 0},
    {"ReduceMax", 8, "", "2x5", 0, 0},
    {"ReduceMin", 13, "axes=[0] keepdims=0", "5x3", 0, 0},
    {"ReduceProd", 13, "axes=[1]", "3x4", 0, 0},
    {"CumSum", 11, "", "2x5 i:1", 0, 0},
    {"CumSum", 14, "exclusive=1 reverse=1", "2x5x2 i:-2", 0, 0},

    /* ---- normalizations */
    {"Softmax", 11, "axis=1", "2x3x4", 0, 0},
    {"Softmax", 13, "axis=-1", "3x5", 0, 0},
    {"Softmax", 13, "axis=-1", "2x37", 0, 0},
    {"Softmax", 13, "axis=1", "2x4x3", 0, 0},
    {"Softmax", 13, "axis=0", "1x3", 0, 0},
    {"LogSoftmax", 11, "axis=1", "2x3x4", 0, 0},
    {"LogSoftmax", 13, "axis=0", "4x3", 0, 0},
    {"BatchNormalization", 7, "epsilon=0.01", "2x3x4 c3 c3 c3 c+3", 0, 0},
    {"BatchNormalization", 9, "", "2x3x4x2 3 3 c3 c+3", 0, 0},
    {"BatchNormalization", 14, "", "2x3 c3 c3 c3 c+3", 0, 0},
    {"BatchNormalization", 15, "", "2x3x2x2x2 c3 c3 c3 c+3", 0, 0},
    {"BatchNormalization", 15, "", "2x16x3x3 c16 c16 c16 c+16", 0, 0},
    {"LayerNormalization", 17, "", "3x8 8 8", 0, 5e-3},
    {"LayerNormalization", 17, "", "3x70 70 70", 3, 5e-3},
    {"LayerNormalization", 17, "axis=1 epsilon=0.1", "2x3x4 3x4", 0, 5e-3},
    {"InstanceNormalization", 7, "", "2x3x5x4 3 3", 0, 5e-3},
    {"InstanceNormalization", 13, "epsilon=0.1", "2x3x8 c3 c3", 0, 5e-3},
    {"LRN", 7, "size=3 alpha=0.5", "2x5x3x2", 0, 0},
    {"LRN", 13, "size=4 beta=0.5 bias=2.0 alpha=0.9", "1x6x2", 0, 0},
    {"LpNormalization", 7, "axis=1 p=2", "2x4x3", 0, 0},
    {"LpNormalization", 7, "axis=-1 p=1", "3x4", 0, 0},
    {"MeanVarianceNormalization", 9, "", "2x2x3x3", 0, 5e-3},
    {"MeanVarianceNormalization", 13, "axes=[1,2]", "2x4x3", 0, 5e-3},

    /* ---- convolutions */
    {"Conv", 7, "", "1x2x5 c3x2x3 c3", 0, 0},
    {"Conv", 11, "pads=[1,1,1,1] strides=[2,2]", "2x3x5x6 c4x3x3x3 c4", 0, 0},
    {"Conv", 11, "group=2 dilations=[2,1] auto_pad=SAME_UPPER", "1x4x6x5 c6x2x3x2", 0, 0},
    {"Conv", 11, "group=3 pads=[1,0,0,2]", "1x3x4x4 c3x1x3x3 c3", 0, 0},
    {"Conv", 11, "kernel_shape=[1,1]", "2x16x3x3 c24x16x1x1 c24", 0, 0},
    {"Conv", 11, "pads=[1,1,1,1]", "1x16x4x4 c16x16x3x3", 0, 0},
    {"Conv", 11, "group=16 strides=[2,2] pads=[1,1,1,1]", "1x16x5x5 c16x1x3x3 c16", 0, 0},
    {"Conv", 11, "auto_pad=SAME_LOWER strides=[2]", "1x2x7 c3x2x4", 0, 0},
    {"Conv", 11, "auto_pad=VALID", "1x2x3x3x3 c2x2x2x2x2 c2", 0, 0},
    {"Conv", 11, "strides=[2,1,1] pads=[1,0,1,0,1,1]", "1x2x3x4x3 c3x2x2x2x2 c3", 0, 0},
    {"Conv", 11, "", "0x2x5x5 c3x2x3x3 c3", 0, 0},
    /* Detours of conv_route.c: phases, padding written out, merged groups; known weights or not. */
    {"Conv", 11, "strides=[2,2] pads=[3,3,3,3]", "1x3x11x9 c8x3x7x7 c8", 0, 0},
    {"Conv", 11, "strides=[4,4]", "1x3x8x8 8x3x4x4", 0, 0},
    {"Conv", 11, "pads=[6,6,6,6] dilations=[6,6]", "1x8x9x9 c8x8x3x3", 0, 0},
    {"Conv", 11, "group=8 pads=[15,15]", "1x8x20 8x1x31", 0, 0},
    {"Conv", 11, "group=4 pads=[1,1,1,1]", "1x16x5x5 16x4x3x3 c16", 0, 0},
    {"Conv", 11, "strides=[5]", "1x8x23 c8x8x10", 0, 0},
    {"ConvTranspose", 11, "strides=[2,2]", "1x16x4x4 c16x1x2x2 c1", 0, 0},
    {"ConvTranspose", 11, "strides=[2,2] pads=[1,1,1,1]", "1x16x4x4 16x3x4x4", 0, 0},
    {"ConvTranspose", 7, "", "1x2x4 c2x3x3", 0, 0},
    {"ConvTranspose", 11, "strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]",
     "1x3x3x4 c3x4x3x3 c4", 0, 0},
    {"ConvTranspose", 11, "group=2 dilations=[2,2]", "2x4x3x3 c4x2x2x2", 0, 0},
    {"ConvTranspose", 11, "strides=[2,3] output_shape=[7,9]", "1x2x3x3 c2x2x3x3", 0, 0},
    {"ConvTranspose", 11, "auto_pad=SAME_UPPER strides=[2,2]", "1x2x3x3 c2x2x3x3", 0, 0},
    {"ConvTranspose", 11, "strides=[1,2,1]", "1x2x2x2x3 c2x2x2x2x2", 0, 0},

    /* ---- pooling */
    {"AveragePool", 7, "kernel_shape=[3] strides=[2] pads=[1,1]", "1x2x7", 0, 0},
    {"AveragePool", 10, "kernel_shape=[2,3] pads=[1,1,0,1] ceil_mode=1 strides=[2,2]", "1x2x5x6", 0,
     0},
    {"AveragePool", 11, "kernel_shape=[3,3] count_include_pad=1 pads=[1,1,1,1]", "2x3x4x4", 0, 0},
    {"AveragePool", 11, "kernel_shape=[2,2] auto_pad=SAME_UPPER", "1x16x3x3", 0, 0},
    {"MaxPool", 7, "kernel_shape=[2,2]", "1x2x4x4", 0, 0},
    {"MaxPool", 8, "kernel_shape=[2,2] strides=[2,2]", "1x2x6x6", 0, 0},
    {"MaxPool", 10, "kernel_shape=[3] dilations=[2] pads=[1,1]", "1x2x9", 0, 0},
    {"MaxPool", 12, "kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]", "1x4x5x5", 0, 0},
    {"MaxPool", 12, "kernel_shape=[2,2,2] ceil_mode=1 strides=[2,2,2]", "1x2x3x4x3", 0, 0},
    {"MaxPool", 12, "kernel_shape=[2,2]", "1x16x3x3", 0, 0},
    {"MaxPool", 12, "kernel_shape=[2,2]", "1x2x4x4", 2, 0},
    {"LpPool", 7, "kernel_shape=[2,2] p=2", "1x2x4x4", 0, 0},
    {"LpPool", 11, "kernel_shape=[3] strides=[2] pads=[1,1] p=3", "1x2x7", 0, 0},
    {"GlobalAveragePool", 7, "", "2x3x4x5", 0, 0},
    {"GlobalAveragePool", 7, "", "2x16x3x3", 0, 0},
    {"GlobalMaxPool", 7, "", "2x3x4x4", 0, 0},
    {"GlobalLpPool", 7, "p=2", "2x3x4x2", 0, 0},
    {"MaxUnpool", 11, "kernel_shape=[2,2] strides=[2,2]", "1x1x2x2 i1x1x2x2:0,3,8,14", 0, 0},
    {"RoiAlign", 10, "output_height=2 output_width=3 sampling_ratio=2",
     "1x2x6x6 f2x4:0.3,0.4,4.1,5.2,1,1,3.3,4.4 i2:0,0", 0, 0},
    {"RoiAlign", 16, "output_height=2 output_width=2 mode=max",
     "2x2x5x5 f2x4:0.3,0.4,4.1,4.2,1,1,3.3,3.4 i2:1,0", 0, 0},
    {"GridSample", 16, "", "1x2x4x5 u1x3x2x2", 0, 0},
    {"GridSample", 16, "padding_mode=border align_corners=1", "2x1x4x3 u2x2x2x2", 0, 0},
    {"GridSample", 16, "padding_mode=reflection", "1x2x4x4 1x3x3x2", 0, 0},
    {"GridSample", 16, "mode=bicubic", "1x2x4x5 u1x2x3x2", 0, 5e-3},
    {"GridSample", 16, "mode=bicubic padding_mode=reflection align_corners=1", "1x1x4x4 1x3x2x2", 0,
     5e-3},
    {"GridSample", 16, "mode=bicubic padding_mode=border", "1x1x4x4 1x2x3x2", 0, 5e-3},
    {"GridSample", 16, "mode=nearest", "1x2x4x5 cu1x2x3x2", 0, 0},

    /* ---- resizing */
    {"Resize", 10, "mode=linear", "1x2x3x4 f4:1,1,2,1.5", 0, 0},
    {"Resize", 11, "mode=nearest", "1x2x3x3 f0: f4:1,1,2,2", 0, 0},
    {"Resize", 11, "mode=linear coordinate_transformation_mode=align_corners",
     "1x2x3x4 f0: f0: i4:1,2,5,6", 0, 0},
    {"Resize", 13, "mode=cubic", "1x1x4x4 _ f4:1,1,1.5,2", 0, 0},
    {"Resize", 13, "mode=cubic cubic_coeff_a=-0.5 exclude_outside=1", "1x2x4x3 _ _ i4:1,2,7,2", 0,
     0},
    {"Resize", 13, "mode=linear", "2x1x5 _ f3:1,1,0.6", 0, 0},
    {"Resize", 13, "mode=linear coordinate_transformation_mode=tf_crop_and_resize",
     "1x1x4x4 f8:0,0,0.2,0.3,1,1,0.8,0.9 _ i4:1,1,3,3", 0, 0},
    {"Resize", 13, "mode=nearest coordinate_transformation_mode=asymmetric nearest_mode=floor",
     "1x16x2x2 _ f4:1,1,2,2", 0, 0},
    {"Upsample", 7, "mode=nearest scales=[1.0,1.0,2.0,3.0]", "1x2x2x2", 0, 0},
    {"Upsample", 9, "mode=linear", "1x2x2x3 f4:1,1,2,2", 0, 0},

    /* ---- moving */
    {"Pad", 7, "pads=[0,1,2,0] value=1.5", "2x3", 0, 0},
    {"Pad", 11, "mode=reflect", "2x4 i4:0,1,1,2", 0, 0},
    {"Pad", 13, "mode=edge", "2x3 i4:1,0,2,1", 0, 0},
    {"Pad", 13, "", "2x3 i4:1,-1,0,2 f:0.5", 0, 0},
    {"Reshape", 7, "", "2x3x4 i2:4,-1", 0, 0},
    {"Reshape", 14, "", "2x0x4 i2:0,0", 0, 0},
    {"Flatten", 13, "axis=2", "2x3x4", 0, 0},
    {"Flatten", 9, "", "2x3x4", 0, 0},
    {"Squeeze", 11, "axes=[1]", "2x1x4", 0, 0},
    {"Squeeze", 13, "", "2x1x4x1", 0, 0},
    {"Unsqueeze", 11, "axes=[0,2]", "2x3", 0, 0},
    {"Unsqueeze", 13, "", "2x3 i1:-1", 0, 0},
    {"Transpose", 13, "perm=[2,0,1]", "2x3x4", 0, 0},
    {"Transpose", 7, "", "2x3x4", 0, 0},
    {"Transpose", 13, "perm=[0,2,3,1]", "2x16x3x2", 0, 0},
    {"Concat", 13, "axis=1", "2x3x2 2x1x2 2x4x2", 0, 0},
    {"Concat", 11, "axis=-1", "2x3 c2x2", 0, 0},
    {"Concat", 7, "axis=1", "1x16x2x2 1x8x2x2", 0, 0},
    {"Concat", 13, "axis=0", "0x3 2x3", 0, 0},
    {"Split", 11, "axis=1 split=[1,2]", "2x3", 2, 0},
    {"Split", 7, "axis=0", "4x3", 2, 0},
    {"Split", 13, "axis=-1", "2x6 i3:3,1,2", 3, 0},
    {"Slice", 7, "starts=[1,0] ends=[3,2] axes=[0,1]", "4x3", 0, 0},
    {"Slice", 10, "", "4x6 i2:3,-1 i2:-5,0 i2:0,1 i2:-1,-2", 0, 0},
    {"Slice", 13, "", "4x5 i1:1 i1:100 i1:1 i1:2", 0, 0},
    {"Gather", 7, "axis=1", "3x4 i2:0,2", 0, 0},
    {"Gather", 11, "", "3x4 ri2x2:0,-1,1,1", 0, 0},
    {"Gather", 13, "axis=0", "3x4 i:1", 0, 0},
    {"GatherElements", 11, "axis=1", "2x3 i2x2:0,0,2,-1", 0, 0},
    {"GatherElements", 13, "", "3x2 ri2x2:0,1,2,0", 0, 0},
    {"GatherND", 11, "", "2x3x4 i2x2:0,1,1,-1", 0, 0},
    {"GatherND", 13, "batch_dims=1", "2x3x2 ri2x1:1,0", 0, 0},
    {"Scatter", 9, "axis=1", "2x4 i2x2:0,2,3,1 2x2", 0, 0},
    {"ScatterElements", 11, "axis=1", "2x4 i2x2:0,2,3,1 2x2", 0, 0},
    {"ScatterElements", 13, "", "3x2 ri1x2:2,0 1x2", 0, 0},
    {"ScatterElements", 16, "reduction=add axis=1", "2x4 i2x3:0,0,3,1,1,1 2x3", 0, 0},
    {"ScatterND", 11, "", "4x3 i2x1:3,1 2x3", 0, 0},
    {"ScatterND", 13, "", "2x3 ri2x2:0,1,1,2 2", 0, 0},
    {"ScatterND", 16, "reduction=add", "4 i3x1:1,1,0 3", 0, 0},
    {"ScatterND", 16, "reduction=mul", "4x2 ri3x1:1,1,0 3x2", 0, 0},
    {"ScatterElements", 16, "reduction=mul axis=1", "2x4 i2x3:0,0,3,1,1,1 2x3", 0, 0},
    {"ScatterElements", 16, "", "2x4 i2x4:1,0,1,0,0,0,0,0 2x4", 0, 0},
    {"Tile", 7, "", "2x3 i2:2,3", 0, 0},
    {"Tile", 13, "", "2x1x2 i3:1,2,1", 0, 0},
    {"Expand", 8, "", "3x1 i3:2,3,4", 0, 0},
    {"Expand", 13, "", "2x3 i2:1,1", 0, 0},
    {"DepthToSpace", 7, "blocksize=2", "1x8x2x3", 0, 0},
    {"DepthToSpace", 13, "blocksize=2 mode=CRD", "2x4x2x2", 0, 0},
    {"SpaceToDepth", 13, "blocksize=2", "1x2x4x6", 0, 0},
    {"Trilu", 14, "upper=0", "2x3x4 i:1", 0, 0},
    {"Trilu", 14, "", "4x3", 0, 0},
    {"ReverseSequence", 10, "batch_axis=1 time_axis=0", "4x3x2 i3:4,2,1", 0, 0},
    {"Compress", 9, "axis=1", "2x4 b4:1,0,1,0", 0, 0},
    {"Compress", 11, "", "2x3 b5:0,1,1,0,1", 0, 0},
    {"TopK", 7, "k=2 axis=1", "2x5x2", 2, 0},
    {"TopK", 10, "", "3x6 i1:3", 2, 0},
    {"TopK", 11, "largest=0 axis=0", "6x2 i1:2", 2, 0},
    {"OneHot", 9, "axis=0", "i3:0,2,1 i:3 2", 0, 0},
    {"OneHot", 11, "", "i2x2:0,-1,1,5 i:3 2", 0, 0},
    {"Unique", 11, "", "6", 0, 0},
    {"Unique", 11, "axis=1 sorted=0", "3x4x2", 3, 0},

    /* ---- recurrent */
    {"RNN", 7, "hidden_size=3", "4x2x2 c1x3x2 c1x3x3 c1x6", 2, 0},
    {"RNN", 14, "hidden_size=3 direction=bidirectional", "4x2x2 c2x3x2 c2x3x3 c2x6 t2:4,2 2x2x3", 2,
     0},
    {"LSTM", 7, "hidden_size=3", "4x2x2 c1x12x2 c1x12x3 c1x24", 3, 0},
    {"LSTM", 14, "hidden_size=2 direction=bidirectional",
     "3x2x2 c2x8x2 c2x8x2 c2x16 t2:3,2 2x2x2 2x2x2 c2x6", 3, 0},
    {"LSTM", 14, "hidden_size=2 direction=reverse", "3x2x2 c1x8x2 c1x8x2", 3, 0},
    {"LSTM", 14, "hidden_size=2 layout=1", "2x3x2 c1x8x2 c1x8x2", 3, 0},
    {"GRU", 7, "hidden_size=3", "4x2x2 c1x9x2 c1x9x3 c1x18", 2, 0},
    {"GRU", 14, "hidden_size=3 linear_before_reset=1 direction=bidirectional",
     "3x2x2 c2x9x2 c2x9x3 c2x18 t2:1,3 2x2x3", 2, 0},

    /* ---- no numbers at all, one number */
    {"Sigmoid", 13, "", "0", 0, 0},
    {"Clip", 13, "", "2x0 f:-1 f:0.5", 0, 0},
    {"PRelu", 16, "", "0x3 3", 0, 0},
    {"Where", 16, "", "b0x1: 0x3 1x3", 0, 0},
    {"Mul", 14, "", "1x1x1 1", 0, 0},
    {"Mul", 14, "", "s s", 0, 0},
    {"Max", 13, "", "0x4 4 s", 0, 0},
    {"Gemm", 13, "", "0x4 c4x5 5", 0, 0},
    {"Gemm", 13, "", "1x1 1x1 s", 0, 0},
    {"MatMul", 13, "", "1x1 1x1", 0, 0},
    {"Einsum", 12, "equation=ij,jk->ik", "2x0 0x3", 0, 0},
    {"Einsum", 12, "equation=ij,jk->ik", "0x2 2x3", 0, 0},
    {"Det", 11, "", "0x2x2", 0, 0},
    {"ReduceMean", 13, "axes=[0]", "2x0x3", 0, 0},
    {"ReduceMax", 13, "axes=[0]", "2x0", 0, 0},
    {"ReduceMax", 13, "axes=[0]", "1x3", 0, 0},
    {"ReduceProd", 13, "axes=[0]", "1x1", 0, 0},
    {"CumSum", 11, "", "2x0 i:1", 0, 0},
    {"Softmax", 13, "", "0x3", 0, 0},
    {"Softmax", 13, "", "3x0", 0, 0},
    {"Softmax", 13, "axis=0", "1", 0, 0},
    {"LogSoftmax", 13, "axis=0", "1x2", 0, 0},
    {"BatchNormalization", 15, "", "0x3x2 c3 c3 c3 c+3", 0, 0},
    {"BatchNormalization", 15, "", "2x1 c1 c1 c1 c+1", 0, 0},
    {"LayerNormalization", 17, "", "0x8 8 8", 0, 0},
    {"LayerNormalization", 17, "", "2x1 1 1", 0, 0},
    {"InstanceNormalization", 13, "", "0x3x2 c3 c3", 0, 0},
    {"LRN", 13, "size=1", "1x1x1", 0, 0},
    {"LpNormalization", 7, "", "0x2", 0, 0},
    {"Conv", 11, "", "1x1x1x1 c1x1x1x1 1", 0, 0},
    {"Conv", 11, "", "1x2x5 3x2x3 3", 0, 0},
    {"ConvTranspose", 11, "", "0x2x3x3 c2x2x2x2", 0, 0},
    {"ConvTranspose", 11, "", "1x1x1 c1x1x1 1", 0, 0},
    {"MaxPool", 12, "kernel_shape=[2,2]", "0x2x4x4", 0, 0},
    {"AveragePool", 11, "kernel_shape=[1,1]", "1x1x1x1", 0, 0},
    {"GlobalAveragePool", 7, "", "0x3x2x2", 0, 0},
    {"GlobalMaxPool", 7, "", "1x1x1", 0, 0},
    {"GridSample", 16, "", "0x2x4x5 0x3x2x2", 0, 0},
    {"GridSample", 16, "", "1x2x4x5 1x0x2x2", 0, 0},
    {"RoiAlign", 16, "", "1x2x5x5 f0x4: i0:", 0, 0},
    {"Resize", 13, "mode=linear", "0x2x3 _ f3:1,1,2", 0, 0},
    {"Resize", 13, "mode=cubic", "1x1x1x1 _ _ i4:1,1,3,2", 0, 0},
    {"Resize", 13, "mode=linear coordinate_transformation_mode=align_corners",
     "1x1x3x1 _ _ i4:1,1,1,4", 0, 0},
    {"Pad", 13, "", "0x2 i4:1,0,1,1", 0, 0},
    {"Transpose", 13, "", "2x0x3", 0, 0},
    {"Slice", 13, "", "4x3 i1:2 i1:2", 0, 0},
    {"Gather", 13, "", "3x2 i0:", 0, 0},
    {"Gather", 13, "", "3x0 i2:0,2", 0, 0},
    {"GatherElements", 13, "", "3x2 i0x2:", 0, 0},
    {"GatherND", 13, "", "3x2 i0x1:", 0, 0},
    {"ScatterElements", 16, "", "3x2 i0x2: 0x2", 0, 0},
    {"ScatterND", 16, "", "3x2 i0x1: 0x2", 0, 0},
    {"Tile", 13, "", "2x3 i2:0,1", 0, 0},
    {"Expand", 13, "", "1x3 i2:0,1", 0, 0},
    {"Split", 13, "axis=0", "2x3 i2:0,2", 2, 0},
    {"DepthToSpace", 13, "blocksize=1", "1x1x1x1", 0, 0},
    {"Trilu", 14, "", "0x3x3", 0, 0},
    {"Compress", 11, "axis=0", "2x3 b2:0,0", 0, 0},
    {"TopK", 11, "", "3x4 i1:0", 2, 0},
    {"TopK", 11, "", "1x1 i1:1", 2, 0},
    {"LSTM", 14, "hidden_size=2", "1x1x1 c1x8x1 c1x8x2", 3, 0},
    {"LSTM", 14, "hidden_size=2", "3x0x2 c1x8x2 c1x8x2", 3, 0},
    {"GRU", 14, "hidden_size=2", "0x1x2 c1x6x2 c1x6x2", 2, 0},
    {"RNN", 14, "hidden_size=1", "1x1x1 c1x1x1 c1x1x1", 2, 0},
    {"NegativeLogLikelihoodLoss", 13, "reduction=none", "0x4 i0:", 0, 0},
    {"SoftmaxCrossEntropyLoss", 13, "reduction=none", "1x1 i1:0", 1, 0},
    {"DFT", 17, "", "0x4x1", 0, 0},
    {"DFT", 17, "", "1x1x2", 0, 0},
    {"STFT", 17, "", "0x8x1 i:2 _ i:4", 0, 0},

    /* ---- losses, signals */
    {"NegativeLogLikelihoodLoss", 12, "", "3x4 i3:0,3,1", 0, 0},
    {"NegativeLogLikelihoodLoss", 13, "reduction=sum", "2x3x2 i2x2:0,2,1,1 c+3", 0, 0},
    {"NegativeLogLikelihoodLoss", 13, "reduction=none ignore_index=1", "3x4 ri3:0,1,2", 0, 0},
    {"SoftmaxCrossEntropyLoss", 12, "", "3x4 i3:0,3,1", 2, 0},
    {"SoftmaxCrossEntropyLoss", 13, "reduction=none", "2x3x2 i2x2:0,2,1,1 c+3", 2, 0},
    {"SoftmaxCrossEntropyLoss", 13, "reduction=sum ignore_index=3", "3x4 ri3:0,3,1", 1, 0},
    {"DFT", 17, "", "2x6x1", 0, 0},
    {"DFT", 17, "axis=1 onesided=1", "2x7x3x1 i:9", 0, 0},
    {"DFT", 17, "axis=2 inverse=1", "1x2x10x2 i:6", 0, 0},
    {"DFT", 17, "axis=1", "1x30x2x2", 0, 0},
    {"STFT", 17, "", "2x12x1 i:3 6", 0, 0},
    {"STFT", 17, "onesided=0", "1x10x2 i:2 _ i:4", 0, 0},
    {"STFT", 17, "", "1x11x1 i:4 f5:0.5,1,2,1,0.5 i:5", 0, 0},
};
#define N_CASES ((int32_t)(sizeof cases / sizeof *cases))

/* ---- inputs ------------------------------------------------------------------------ */

static void fill(char kind, uint64_t key, int64_t n, float *out)
{
    switch (kind) {
    case '+':
        spaced_values(key, n, .5, 2.5, out);
        return;
    case 'u':
        spaced_values(key, n, -.9, .9, out);
        return;
    case 'g':
        spaced_values(key, n, 1.2, 3, out);
        return;
    default:
        spaced_values(key, n, -2, 2, out);
    }
}

static bool is_kind(char c)
{
    return c == '+' || c == 'u' || c == 'g';
}

static mucmm_dtype dtype_of(char c)
{
    return c == 'i'   ? MUCMM_I64
           : c == 't' ? MUCMM_I32
           : c == 'b' ? MUCMM_BOOL
           : c == 'y' ? MUCMM_U8
           : c == 'a' ? MUCMM_I8
                      : MUCMM_F32;
}

/* "i2:1,3": type, shape and numbers into the file or, after r, into the inputs of the run. */
static void add_given(net *n, subject *s, const char *name, char *token)
{
    bool at_run = *token == 'r';
    char *shape = token + at_run + 1, *colon = strchr(shape, ':'), *text = colon + 1;
    mucmm_dtype t = dtype_of(token[at_run]);
    int64_t dims[MUCMM_MAX_RANK];
    double numbers[64];
    int32_t count = 0;

    *colon = '\0';
    while (*text) {
        numbers[count++] = strtod(text, &text);
        text += *text == ',';
    }
    assert_int_equal(count, net_count(shape));
    if (at_run) {
        void *data = subject_add(s, name, t, net_shape(shape, dims), dims, false);
        net_input(n, name, t, shape);
        for (int32_t i = 0; i < count; i++)
            mucmm__number_put(t, data, i, numbers[i]);
    } else {
        uint8_t bytes[64 * 8] = {0};
        for (int32_t i = 0; i < count; i++)
            mucmm__number_put(t, bytes, i, numbers[i]);
        net_constant(n, name, t, shape, bytes);
    }
}

static void add_input(net *n, subject *s, const char *name, char *token, uint64_t key)
{
    bool constant = *token == 'c';
    char *shape = token + constant, kind = ' ';
    int64_t dims[MUCMM_MAX_RANK];
    float *data;

    if (strchr(token, ':')) {
        add_given(n, s, name, token);
        return;
    }
    if (is_kind(*shape))
        kind = *shape++;
    if (*shape == 's')
        shape++;
    if (constant) {
        data = calloc((size_t)net_count(shape) + 1, sizeof *data);
        fill(kind, key, net_count(shape), data);
        net_floats(n, name, shape, data);
        free(data);
        return;
    }
    data = subject_add(s, name, MUCMM_F32, net_shape(shape, dims), dims, true);
    fill(kind, key, net_count(shape), data);
    net_input(n, name, MUCMM_F32, shape);
}

/* ---- tests ------------------------------------------------------------------------- */

static void run_case(mucmm_ctx *ctx, const vjp_case *c, const char *what, uint64_t seed)
{
    static const char *const names[] = {"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"};
    net n = net_new(c->opset);
    subject s = {
        .n_out = c->n_out ? c->n_out : 1, .out = {"y0", "y1", "y2"}, .tolerance = c->tolerance};
    char *tokens[NET_MAX], in[64] = "", out[64] = "";
    size_t count = net_split(&n, c->inputs, ' ', tokens);

    for (size_t i = 0; i < count; i++) {
        bool absent = *tokens[i] == '_';
        snprintf(in + strlen(in), sizeof in - strlen(in), "%s ", absent ? "_" : names[i]);
        if (!absent)
            add_input(&n, &s, names[i], tokens[i], mucmm__rng_key(seed, i));
    }
    for (int32_t i = 0; i < s.n_out; i++) {
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s ", s.out[i]);
        net_output(&n, s.out[i]);
    }
    net_node(&n, c->op, in, out, c->attributes);
    s.g = net_load(ctx, &n);
    check_gradients(ctx, &s, what, seed);
    subject_drop(&s);
    net_drop(&n);
}

/* A case keeps its numbers when others are added. */
static uint64_t seed_of(const char *text)
{
    uint64_t seed = 0;

    for (; *text; text++)
        seed = mucmm__rng_key(seed, (uint64_t)*text);
    return seed;
}

/* One test a case, so that every failure is seen. */
static void test_vjp_case(void **state)
{
    const vjp_case *c = *state;
    mucmm_ctx *ctx = new_ctx();
    mucmm_op_info info;
    bool known = false;
    char what[256];

    mucmm_op_info_init(&info);
    for (int32_t k = 0; mucmm_op(k, &info) && !known; k++)
        known = strcmp(info.type, c->op) == 0 && info.differentiable && info.since <= c->opset &&
                c->opset <= info.until;
    snprintf(what, sizeof what, "%s-%d (%s) of %s", c->op, c->opset, c->attributes, c->inputs);
    if (!known) {
        print_message("# skipped: %s is not differentiable\n", what);
        mucmm_ctx_free(ctx);
        skip();
    }
    run_case(ctx, c, what, seed_of(what));
    mucmm_ctx_free(ctx);
}

/* Operators of which other tests take care: they hold graphs, or take no float32 that is followed.
 */
static const char *const elsewhere[] = {"If"};

static void test_vjp_has_a_case_of_every_operator(void **state)
{
    mucmm_op_info info;
    int32_t missing = 0;

    (void)state;
    mucmm_op_info_init(&info);
    for (int32_t k = 0; mucmm_op(k, &info); k++) {
        bool found = !info.differentiable;
        for (int32_t i = 0; i < N_CASES && !found; i++)
            found = strcmp(cases[i].op, info.type) == 0 && info.since <= cases[i].opset &&
                    cases[i].opset <= info.until;
        for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere && !found; i++)
            found = strcmp(elsewhere[i], info.type) == 0;
        if (!found) {
            print_message("# no case: %s of opset %d..%d\n", info.type, info.since, info.until);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

int main(void)
{
    static struct CMUnitTest tests[N_CASES + 1];
    static char names[N_CASES][160];

    tests[0] = (struct CMUnitTest)cmocka_unit_test(test_vjp_has_a_case_of_every_operator);
    for (int32_t i = 0; i < N_CASES; i++) {
        snprintf(names[i], sizeof names[i], "vjp of %s-%d %s of %s", cases[i].op, cases[i].opset,
                 cases[i].attributes, cases[i].inputs);
        tests[1 + i] =
            (struct CMUnitTest){names[i], test_vjp_case, NULL, NULL, (void *)(uintptr_t)&cases[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
