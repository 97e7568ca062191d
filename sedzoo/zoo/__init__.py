"""The model zoo: one file a family, found by name through the registry."""

from sedzoo.zoo.registry import (
    ModelCard,
    create_model,
    list_models,
    model_card,
    register,
    search_space,
)

__all__ = ["ModelCard", "create_model", "list_models", "model_card", "register", "search_space"]
