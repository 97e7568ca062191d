"""TensorFlow checkpoints as released ones were made."""


def save_checkpoint(path, arrays, version):
    """Variables of these names and values, by the Saver of TensorFlow 1.

    Args:
        path: path of the file ("V1") or prefix ("V2").
        arrays: dict of variable name -> array.
        version: "V1" or "V2".
    """
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.Session() as session:
        variables = [tf.get_variable(name, initializer=tf.constant(value))
                     for name, value in arrays.items()]
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(variables, write_version=getattr(tf.train.SaverDef, version))
        saver.save(session, str(path), write_meta_graph=False)
