"""TensorFlow's checkpoints, version 1 (one file) and 2 (an index and data)."""

import math

import numpy as np
import tensorflow as tf

from sedzoo.weights.claims import require_room

_OBJECT_ATTRIBUTE = "/.ATTRIBUTES/VARIABLE_VALUE"


def read_checkpoint(path):
    """The numeric variables of a checkpoint, by name; bfloat16 as float32.

    Args:
        path: pathlib.Path of a version 1 file, or prefix of version 2.
    Raises: tf.errors.OpError, ValueError.
    """
    reader = tf.train.load_checkpoint(str(path))
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    names = [name for name in sorted(shapes)
             if dtypes[name].is_floating or dtypes[name].is_integer or dtypes[name].is_bool]
    sizes = {name: math.prod(shapes[name]) for name in names}
    if path.is_file():
        # Version 1 packs small integers: a number takes a byte at least.
        require_room("its variables", sum(sizes.values()), path.stat().st_size)
    else:
        shards = [file for file in path.parent.iterdir()
                  if file.name.startswith(f"{path.name}.data-")]
        require_room("its variables", sum(size * dtypes[name].size for name, size in sizes.items()),
                     sum(shard.stat().st_size for shard in shards))
    return {name.removesuffix(_OBJECT_ATTRIBUTE): _plain(reader.get_tensor(name), dtypes[name])
            for name in names}


def _plain(array, dtype):
    return np.asarray(array, np.float32 if dtype == tf.bfloat16 else None)
