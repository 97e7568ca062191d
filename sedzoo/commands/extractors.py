"""--extractor: what makes segments of sound, by name, for the commands that need one."""

from pathlib import Path

from absl import flags

from sedzoo.cli import UserError


def define(values):
    flags.DEFINE_string("extractor", None, "What makes segments of sound: patches (of log-mel), "
                        "vggish (with --extractor_weights), the folder of a training run, or the "
                        "folder or address of a SavedModel.", flag_values=values)
    flags.DEFINE_string("extractor_weights", None, "File of VGGish's published weights.",
                        flag_values=values)


def choose(name, weights, frontend="vggish"):
    """An extractor as embeddings.extract takes it.

    Args:
        name: str, as --extractor; weights: str or None, as --extractor_weights.
        frontend: Frontend of patches and of vggish, or the name of a preset.
    """
    from sedzoo.embeddings.extractors import ModelExtractor, Patches

    if weights and name != "vggish":
        raise UserError(f"--extractor_weights is for vggish. Received: {name}")
    if name == "patches":
        return Patches(frontend)
    if name == "vggish":
        from sedzoo.zoo.registry import create_model

        if not weights:
            raise UserError("--extractor_weights is needed for the published weights of VGGish")
        model = create_model(name, include_top=False, weights=weights)
        return ModelExtractor(model, frontend, name=name)
    if (Path(name) / "recipe.json").is_file():
        return of_run(name)
    from sedzoo.export import HubExtractor

    return HubExtractor(name)


def of_run(directory):
    """The extractor that a training run left behind."""
    from sedzoo.embeddings.extractors import ModelExtractor
    from sedzoo.training import Run
    from sedzoo.zoo.registry import model_card

    run = Run.load(directory)
    return ModelExtractor(run.model, run.recipe.features(), mean=run.mean, std=run.std,
                          time_stride=model_card(run.recipe.model_name).time_stride,
                          name=run.recipe.model_name)
