# SPDX-License-Identifier: MIT
"""Small ONNX files for the tests of the command line, written field by field, without any package."""
import struct


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def field(number, value):
    """A whole number, or anything with bytes: text, bytes, a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def node(op, inputs, outputs, name=''):
    """NodeProto: input 1, output 2, name 3, op_type 4."""
    return (b''.join(field(1, x) for x in inputs) + b''.join(field(2, y) for y in outputs) + field(3, name) +
            field(4, op))


def constant(name, shape, values):
    """TensorProto of float32: dims 1, data_type 2, name 8, raw_data 9."""
    return (b''.join(field(1, d) for d in shape) + field(2, 1) + field(8, name) +
            field(9, struct.pack('<%df' % len(values), *values)))


def value(name, shape, dtype=1):
    """ValueInfoProto; a dimension that is text is open."""
    dims = b''.join(field(1, field(1 if isinstance(d, int) else 2, d)) for d in shape)
    return field(1, name) + field(2, field(1, field(1, dtype) + field(2, dims)))


def model(nodes, constants, inputs, outputs, opset=13):
    """ModelProto: ir_version 1, graph 7, opset_import 8. GraphProto: node 1, name 2, initializer 5, input 11, output 12."""
    parts = [(1, nodes), (2, ['test']), (5, constants), (11, inputs), (12, outputs)]
    graph = b''.join(field(number, x) for number, list_of in parts for x in list_of)
    return field(1, 8) + field(7, graph) + field(8, field(1, '') + field(2, opset))


WEIGHTS = [1.0, -2.0, 0.5, 3.0, -1.0, 0.25]  # [3, 2]
SHIFT = [0.5, -0.5]


def small_network():
    """y [N, 2] = relu(x [N, 3] w + b); the product is the inner tensor enc/product:0."""
    return model([node('MatMul', ['x', 'w'], ['enc/product:0'], 'product'),
                  node('Add', ['enc/product:0', 'b'], ['sum'], 'shift'), node('Relu', ['sum'], ['y'], 'act')],
                 [constant('w', [3, 2], WEIGHTS), constant('b', [2], SHIFT)],
                 [value('x', ['N', 3])], [value('y', ['N', 2])])


def picture_network():
    """map [N, 2, 4, 4] = tanh(a 1 x 1 convolution of image [N, 3, 4, 4])."""
    return model([node('Conv', ['image', 'w'], ['conv']), node('Tanh', ['conv'], ['map'])],
                 [constant('w', [2, 3, 1, 1], [0.5, -1.0, 0.25, 1.0, 0.5, -0.5])],
                 [value('image', ['N', 3, 4, 4])], [value('map', ['N', 2, 4, 4])])


def word_network():
    """hidden [N, 4, 3] = tanh of the embeddings [N, 4, 3] of ids [N, 4]."""
    return model([node('Gather', ['table', 'ids'], ['embeddings']), node('Tanh', ['embeddings'], ['hidden'])],
                 [constant('table', [6, 3], [0.1 * ((7 * i) % 19) - 0.9 for i in range(18)])],
                 [value('ids', ['N', 4], 7)], [value('hidden', ['N', 4, 3])])


def sound_network():
    """y [N, 3] = tanh(samples [N, 64] w)."""
    return model([node('MatMul', ['samples', 'w'], ['product']), node('Tanh', ['product'], ['y'])],
                 [constant('w', [64, 3], [0.05 * ((11 * i) % 23) - 0.5 for i in range(192)])],
                 [value('samples', ['N', 64])], [value('y', ['N', 3])])
