"""From frame features to what a system says: the heads of the papers."""

import keras
from keras import layers, ops

from sedzoo.layers.pooling import keep_frames

FLOOR = 1e-7


@keras.saving.register_keras_serializable("sedzoo")
class AttentionLocalisation(keras.layers.Layer):
    """Frame probabilities, where to look, and the clip probabilities they give together.

    O(t) = sigmoid(dense x(t)),  Z(t) = softmax(dense x(t)),
    clip = sum_t O(t) . Z(t) / sum_t max(Z(t), 1e-7), class by class.

    Args:
        num_classes: int > 0, K.
        attention_input: "features" (Z reads x, parallel to O) or "classes" (Z reads O, serial:
            the released graph).
        attention_axis: "class" or "time", the axis of the softmax.
        frame_output: "classifier", O(t), or "product", O(t) . Z(t).

    Call: x, float (batch, frames, C); frame_mask, bool (batch, frames) or None ->
        {"clip": (batch, K), "frame": (batch, frames, K), "attention": (batch, frames, K)}.
        Masked frames are 0, and a clip without any frame scores 0.
    Raises: ValueError naming the option that is not one of these.
    Source: Xu et al. 2018, https://arxiv.org/abs/1710.00343, eq. 3-4; the paper leaves input and
        axis open. Differs: the floor stands only in the denominator, as in the released code.
    """

    def __init__(self, num_classes, attention_input="features", attention_axis="class",
                 frame_output="classifier", **kwargs):
        for key, value, options in (
                ("attention_input", attention_input, ("features", "classes")),
                ("attention_axis", attention_axis, ("class", "time")),
                ("frame_output", frame_output, ("classifier", "product"))):
            if value not in options:
                raise ValueError(f"`{key}` must be one of {options}. Received: {key}={value!r}")
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.attention_input = attention_input
        self.attention_axis = attention_axis
        self.frame_output = frame_output
        self.classifier = layers.Dense(num_classes, "sigmoid", dtype=self.dtype_policy)
        self.attention = layers.Dense(num_classes, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.classifier.build(input_shape)
        serial = self.attention_input == "classes"
        self.attention.build((*input_shape[:-1], self.num_classes) if serial else input_shape)

    def call(self, x, frame_mask=None):
        frame = self.classifier(x)                                                   # (B, T, K)
        logits = self.attention(frame if self.attention_input == "classes" else x)
        if frame_mask is not None and self.attention_axis == "time":
            # -3e4 and not -1e9: float16 knows no number that large, and gives NaN.
            logits = ops.where(frame_mask[:, :, None], logits, ops.cast(-3e4, logits.dtype))
        attention = ops.softmax(logits, axis=-1 if self.attention_axis == "class" else 1)
        frame, attention = keep_frames(frame, frame_mask), keep_frames(attention, frame_mask)
        weight = keep_frames(ops.maximum(attention, FLOOR), frame_mask)
        clip = ops.sum(frame * attention, axis=1) / ops.maximum(ops.sum(weight, axis=1), FLOOR)
        if self.frame_output == "product":
            frame = frame * attention
        return {"clip": clip, "frame": frame, "attention": attention}

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        frames = (*x_shape[:-1], self.num_classes)
        return {"clip": (x_shape[0], self.num_classes), "frame": frames, "attention": frames}
