"""Any reusable SavedModel as a Keras layer that trains."""

import inspect
import os
import re

import keras
import tensorflow as tf
from keras.src.saving.serialization_lib import in_safe_mode  # Keras has no public name for it


@keras.saving.register_keras_serializable("sedzoo")
class HubLayer(keras.layers.Layer):
    """What a SavedModel computes, with its variables as weights of the layer.

    The SavedModel is called as `obj(inputs)`, or as `obj(inputs, training=...)` with a Python bool
    where it was saved with that argument. In training it does by itself what training changes:
    dropout, and the statistics of its batch normalisations, of which the replicas of a
    tf.distribute strategy keep the mean. A frozen layer calls it with False and leaves its
    regularisation out, as if it were a constant.

    Weights are the variables that it lists, trainable where it lists them so; of one that lists
    none (as YAMNet), those that its call reads. A `.keras` file holds the handle and the weights,
    and loads with `safe_mode=False` only, since a SavedModel may hold any operation.

    Args:
        handle: str or path, a directory with a saved_model.pb, or an address ("https://...") that
            tensorflow_hub resolves.
        trainable: bool, whether its trainable weights are trained. Defaults to False.
        signature: str, a signature to call in place of the object, for SavedModels that cannot be
            called, as those of `keras.Model.export`. It takes its one input, or a dict by name.
            Defaults to None.
        output: int or str, the part of a tuple or dict to return. Defaults to None: all of it.

    Call: inputs, what the SavedModel takes (one that takes a waveform (S,), not a batch, stands
        after `keras.Input(batch_shape=(None,))`) -> what it returns, tensors in any nest.
    Raises: FileNotFoundError where there is no SavedModel; ImportError of one line where an address
        needs tensorflow_hub and that does not import; ValueError naming the argument.
    Source: https://www.tensorflow.org/hub/reusable_saved_models. Differs from hub.KerasLayer, a
        layer of Keras 2, in that signatures train, and SavedModels that list no variables.
    """

    def __init__(self, handle, *, trainable=False, signature=None, output=None, **kwargs):
        if keras.backend.backend() != "tensorflow":
            raise ValueError("A HubLayer runs on the TensorFlow backend alone. Received: "
                             f"KERAS_BACKEND={keras.backend.backend()!r}")
        super().__init__(**{"dtype": "float32", **kwargs})
        self.supports_jit = False                  # XLA does not know every operation
        self.handle = os.fspath(handle)
        self.signature = signature
        self.output_part = output                  # Keras has an `output` of its own
        self.directory = resolve(self.handle)
        self.resolved_object = tf.saved_model.load(self.directory)
        self._function = self._callable()
        self._takes_training = "training" in inspect.signature(self._function).parameters
        with keras.name_scope(self.name):
            self._adopted = self._adopt()
        self.trainable = trainable                 # now that it has weights, and they are told
        self.built = True

    def _callable(self):
        signatures = getattr(self.resolved_object, "signatures", {})
        if self.signature in signatures:
            return signatures[self.signature]
        if self.signature is None and callable(self.resolved_object):
            return self.resolved_object.__call__
        what = "" if self.signature else ", and an object that cannot be called"
        raise ValueError(f"`signature` must be one of {sorted(signatures)}. "
                         f"Received: signature={self.signature!r}{what}")

    def _adopt(self):
        """The SavedModel's own variables, each as a keras.Variable."""
        listed = getattr(self.resolved_object, "variables", None)
        if listed is None:
            listed = {id(v): v for trace in self.traces for v in trace.variables}.values()
        trained = getattr(self.resolved_object, "trainable_variables", None)
        if trained is None:
            trained = [variable for variable in listed if variable.trainable]
        trained = {id(variable) for variable in trained}
        adopted = [keras.Variable(v, dtype=v.dtype.name, trainable=id(v) in trained, autocast=False,
                                  name=f"{_plain(v.name)}_{i}") for i, v in enumerate(listed)]
        penalties = list(getattr(self.resolved_object, "regularization_losses", ()))
        for variable in [v for v in adopted if v.trainable][:1]:
            variable.regularizer = _Penalties(penalties) if penalties else None
        return adopted

    @property
    def traces(self):
        """The concrete functions by which the SavedModel can be called."""
        return getattr(self._function, "concrete_functions", [self._function])

    def call(self, inputs, training=None):
        if self._takes_training:
            training = bool(training and self.trainable)
            result = self._function(inputs, training=training)
            if training:
                self._agree()
        elif self.signature is not None:
            result = self._function(**self._by_name(inputs))
        else:
            result = self._function(inputs)
        return part(result, self.output_part)

    def _agree(self):
        """The replicas of a strategy take the mean of the statistics that each has moved."""
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return
        for variable in self.non_trainable_variables:
            if variable.value.dtype.is_floating:
                mean = replica.all_reduce(tf.distribute.ReduceOp.MEAN, variable.value)
                tf.raw_ops.AssignVariableOp(resource=variable.handle, value=mean)

    def _by_name(self, inputs):
        """The inputs of a signature, which knows them by name alone."""
        if isinstance(inputs, dict):
            return inputs
        names = list(self._function.structured_input_signature[1])
        if len(names) != 1:
            raise ValueError(f"`inputs` must be a dict of {names}, which signature="
                             f"{self.signature!r} takes. Received: {type(inputs).__name__}")
        return {names[0]: inputs}

    def get_config(self):
        return {**super().get_config(), "handle": self.handle, "signature": self.signature,
                "output": self.output_part}

    @classmethod
    def from_config(cls, config):
        if in_safe_mode():
            raise ValueError("A HubLayer runs whatever operations are in its SavedModel: load with "
                             "`safe_mode=False` if you trust it. "
                             f"Received: handle={config['handle']!r}")
        return cls(**config)


def _plain(name):
    """A variable's name as optimisers can name their slots after it: TensorFlow refuses ":0"."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name.split(":")[0])


class _Penalties(keras.regularizers.Regularizer):
    """All regularisation of a SavedModel, borne by one of its variables.

    Keras asks a variable whenever it needs the losses; a layer's add_loss in `call` would be mixed
    up between replicas that wait for each other in there.
    """

    def __init__(self, losses):
        self.losses = losses

    def __call__(self, _):
        return sum(loss() for loss in self.losses)


def resolve(handle):
    """Where the files of a SavedModel are: a directory itself, or what tensorflow_hub downloads.

    Args:
        handle: str, a directory or an address.
    Returns: str, the directory.
    Raises: FileNotFoundError; ImportError.
    """
    if "://" in handle:
        return _tensorflow_hub().resolve(handle)
    if not tf.saved_model.contains_saved_model(handle):
        raise FileNotFoundError(f"There is no SavedModel at {handle}.")
    return handle


def _tensorflow_hub():
    try:
        import tensorflow_hub
    except ImportError as error:  # it imports pkg_resources, which setuptools 82 dropped
        raise ImportError(f"tensorflow_hub does not import ({error}): pip install tensorflow-hub "
                          "'setuptools<82', or download the SavedModel and give its directory."
                          ) from None
    return tensorflow_hub


def part(result, output):
    """One part of a tuple or dict; all of it where `output` is None."""
    if output is None:
        return result
    if isinstance(result, dict):
        known = sorted(result)
    else:
        known = list(range(len(result))) if isinstance(result, (tuple, list)) else []
    if output not in known:
        raise ValueError(f"`output` must be {f'one of {known}' if known else None}. "
                         f"Received: output={output!r}")
    return result[output]
