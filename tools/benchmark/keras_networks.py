"""The gated CRNN that all contenders have: sedzoo's, and the same of stock Keras layers.

It is the network of Xu et al. 2018 as their text has it, with a recurrence that every library has:
six gated convolutions, pools over bands, one BiGRU, attention localisation.
"""

import keras
from keras import layers, ops

import sedzoo
from sedzoo.layers import AttentionLocalisation, GatedConv2D

BANDS, CLASSES = 64, 17


def of_sedzoo(width=64, fused=False):
    """sedzoo.create_model's; fused: one convolution per gated convolution, or two."""
    model = sedzoo.create_model("gated_crnn", num_classes=CLASSES, input_shape=(None, BANDS),
                                width=width, rnn_units=2 * width, num_gated=6, projection=None,
                                rnn="single", recurrence="cudnn")
    for layer in model.layers:
        if isinstance(layer, GatedConv2D):
            layer.fused = fused
    return model


def of_keras(width=64, sliced=False):
    """What a Keras user writes; sliced: the halves taken as y[..., :c], not by ops.split."""
    inputs = keras.Input((None, BANDS), name="audio")
    x = layers.Reshape((-1, BANDS, 1))(inputs)
    for index in range(6):
        x = layers.Conv2D(2 * width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        linear, gate = ((x[..., :width], x[..., width:]) if sliced
                        else ops.split(x, 2, axis=-1))
        x = linear * ops.sigmoid(gate)
        x = layers.MaxPooling2D((1, 2))(x) if index % 2 else x
    x = layers.Reshape((-1, BANDS // 8 * width))(x)
    x = layers.Bidirectional(layers.GRU(2 * width, return_sequences=True))(x)
    # The head is a millionth of the work: sedzoo's own serves as well as a copy of it.
    return keras.Model(inputs, AttentionLocalisation(CLASSES)(x))


def num_parameters(model):
    """Trainable parameters."""
    return sum(weight.shape.num_elements() for weight in model.trainable_weights)
