# SPDX-License-Identifier: MIT
"""An ONNX network in PyTorch: each operator of the networks that are cross-checked as one function of torch."""
import numpy as np
import onnx
import onnx.numpy_helper
import torch
import torch.nn.functional as F

TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}
OPS = {}


def op(function):
    OPS[function.__name__] = function
    return function


def ints(x):
    """The numbers of a tensor, or of an attribute, as a list."""
    return x.tolist() if torch.is_tensor(x) else list(x)


def axes_of(x, attributes, given):
    """The axes: second input of newer opsets, attribute of older ones; all where neither is there."""
    axes = given if given is not None else attributes.get('axes')
    return list(range(x.dim())) if axes is None else ints(axes)


# ---- elementwise -----------------------------------------------------------------------

for name, function in {
        'Add': torch.add, 'Sub': torch.sub, 'Mul': torch.mul, 'Div': torch.div, 'Pow': torch.pow, 'Neg': torch.neg,
        'Sqrt': torch.sqrt, 'Log': torch.log, 'Tanh': torch.tanh, 'Sigmoid': torch.sigmoid, 'Relu': torch.relu,
        'Equal': torch.eq, 'Where': torch.where, 'MatMul': torch.matmul, 'Max': torch.maximum}.items():
    OPS[name] = lambda a, *x, function=function: function(*x)


@op
def LeakyRelu(a, x):
    return F.leaky_relu(x, a.get('alpha', 0.01))


@op
def HardSigmoid(a, x):
    return torch.clamp(a.get('alpha', 0.2) * x + a.get('beta', 0.5), 0, 1)


@op
def Clip(a, x, low=None, high=None):
    return torch.clamp(x, a.get('min', low), a.get('max', high))


@op
def Cast(a, x):
    kind = TYPES[a['to']]
    return x.to(torch.get_default_dtype() if kind == torch.float32 else kind)


@op
def Softmax(a, x):  # the opsets before 13 flatten; here the axis is always the last or all after it have size 1
    return torch.softmax(x, a.get('axis', -1))


# ---- shapes ----------------------------------------------------------------------------


@op
def Constant(a):
    return a['value']


@op
def Shape(a, x):
    return torch.tensor(x.shape)


@op
def Reshape(a, x, shape):
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(ints(shape))])


@op
def Flatten(a, x):
    return x.flatten(a.get('axis', 1)) if a.get('axis', 1) == 1 else x.reshape(x.shape[:a['axis']].numel(), -1)


@op
def Transpose(a, x):
    return x.permute(*a['perm'])


@op
def Unsqueeze(a, x, axes=None):
    axes = axes_of(x, a, axes)
    for axis in sorted(i % (x.dim() + len(axes)) for i in axes):
        x = x.unsqueeze(axis)
    return x


@op
def Squeeze(a, x, axes=None):
    for axis in sorted((i % x.dim() for i in axes_of(x, a, axes)), reverse=True):
        x = x.squeeze(axis)
    return x


@op
def Concat(a, *x):
    return torch.cat(x, a['axis'])


@op
def Split(a, x, sizes=None):
    return torch.split(x, ints(sizes if sizes is not None else a['split']), a.get('axis', 0))


@op
def Slice(a, x, starts=None, ends=None, axes=None, steps=None):
    starts, ends = (ints(v if v is not None else a[k]) for k, v in (('starts', starts), ('ends', ends)))
    axes = ints(axes) if axes is not None else a.get('axes', range(len(starts)))
    steps = ints(steps) if steps is not None else [1] * len(starts)
    for first, end, axis, step in zip(starts, ends, axes, steps):
        places = range(x.shape[axis])[slice(first, None if step < 0 and end < -x.shape[axis] else end, step)]
        x = x.index_select(axis, torch.tensor(list(places), dtype=torch.int64))
    return x


@op
def Gather(a, x, index):
    axis = a.get('axis', 0)
    taken = x.index_select(axis, index.reshape(-1).long() % x.shape[axis])
    return taken.reshape(x.shape[:axis] + index.shape + x.shape[axis + 1:])


@op
def Pad(a, x, pads, value=None):
    pads, mode, n = ints(pads), a.get('mode', b'constant'), x.dim()
    if mode == b'constant':
        flat = [p for i in reversed(range(n)) for p in (pads[i], pads[n + i])]
        return F.pad(x, flat, value=float(value) if value is not None else 0.0)
    assert mode == b'reflect'
    for axis in range(n):
        size, before, after = x.shape[axis], pads[axis], pads[n + axis]
        places = [size - 1 - abs(size - 1 - abs(i)) for i in range(-before, size + after)]
        x = x.index_select(axis, torch.tensor(places)) if before or after else x
    return x


# ---- reductions ------------------------------------------------------------------------


def reduction(function):
    def run(a, x, axes=None):
        return function(x, axes_of(x, a, axes), bool(a.get('keepdims', 1)))
    return run


OPS.update(ReduceMean=reduction(torch.mean), ReduceSum=reduction(torch.sum), ReduceMax=reduction(torch.amax),
           ReduceMin=reduction(torch.amin))


# ---- layers ----------------------------------------------------------------------------


def padded(a, x, value=0.0):
    """x with the pads of the attribute added: torch's own pads are the same at both ends."""
    assert a.get('auto_pad', b'NOTSET') == b'NOTSET'
    pads = a.get('pads', [0] * 2 * (x.dim() - 2))
    half = len(pads) // 2
    return F.pad(x, [p for i in reversed(range(half)) for p in (pads[i], pads[half + i])], value=value)


@op
def Conv(a, x, w, b=None):
    run = {3: F.conv1d, 4: F.conv2d}[x.dim()]
    return run(padded(a, x), w, b, a.get('strides', 1), 0, a.get('dilations', 1), a.get('group', 1))


@op
def ConvTranspose(a, x, w, b=None):
    assert not any(a.get('pads', [])) and a.get('auto_pad', b'NOTSET') == b'NOTSET'
    return F.conv_transpose2d(x, w, b, a.get('strides', 1), 0, a.get('output_padding', 0), a.get('group', 1),
                              a.get('dilations', 1))


@op
def MaxPool(a, x):
    return F.max_pool2d(padded(a, x, -float('inf')), a['kernel_shape'], a.get('strides', 1))


@op
def AveragePool(a, x):
    y = F.avg_pool2d(padded(a, x), a['kernel_shape'], a.get('strides', 1))
    if a.get('count_include_pad', 0) == 0:
        y = y / F.avg_pool2d(padded(a, torch.ones_like(x)), a['kernel_shape'], a.get('strides', 1))
    return y


@op
def GlobalAveragePool(a, x):
    return x.mean(list(range(2, x.dim())), keepdim=True)


@op
def BatchNormalization(a, x, scale, shift, mean, variance):
    return F.batch_norm(x, mean, variance, scale, shift, eps=a.get('epsilon', 1e-5))


@op
def Gemm(a, x, w, b=None):
    y = (x.t() if a.get('transA') else x) @ (w.t() if a.get('transB') else w) * a.get('alpha', 1.0)
    return y if b is None else y + a.get('beta', 1.0) * b


@op
def Resize(a, x, roi, scales):
    assert (a['mode'], a['coordinate_transformation_mode'], a['nearest_mode']) == (b'nearest', b'asymmetric', b'floor')
    for axis, scale in enumerate(ints(scales)):
        places = torch.arange(int(x.shape[axis] * scale)).div(scale, rounding_mode='floor').long()
        x = x.index_select(axis, places) if scale != 1 else x
    return x


# ---- the network -----------------------------------------------------------------------


def to_torch(array, dtype):
    """A constant; floats in the type that is computed in."""
    t = torch.from_numpy(np.array(array))
    return t.to(dtype) if t.dtype.is_floating_point else t


class Network:
    """path, in the float type dtype."""

    def __init__(self, path, dtype):
        self.dtype, self.graph = dtype, onnx.load(path).graph
        self.constants = {t.name: to_torch(onnx.numpy_helper.to_array(t), dtype) for t in self.graph.initializer}

    def attributes(self, node):
        values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        return {k: to_torch(onnx.numpy_helper.to_array(v), self.dtype) if isinstance(v, onnx.TensorProto) else v
                for k, v in values.items()}

    def run(self, inputs, output, wrt):
        """Values of the tensors `output` and `wrt`; gradients of the former pass back to the latter."""
        torch.set_default_dtype(self.dtype)
        values = {'': None, **self.constants}
        values.update((name, to_torch(x, self.dtype)) for name, x in inputs.items())
        if wrt in values:
            values[wrt].requires_grad_()
        for node in self.graph.node:
            y = OPS[node.op_type](self.attributes(node), *(values[name] for name in node.input))
            for name, value in zip(node.output, y if isinstance(y, (tuple, list)) else [y]):
                values[name] = value.detach().requires_grad_() if name == wrt else value
            if output in values:
                break
        return values[output], values[wrt]

    def gradient(self, inputs, output, wrt, cotangent):
        """output, and d <cotangent, output> / d wrt, as arrays."""
        y, x = self.run(inputs, output, wrt)
        dx, = torch.autograd.grad(y, x, to_torch(cotangent, self.dtype))
        return y.detach().numpy(), dx.numpy()
