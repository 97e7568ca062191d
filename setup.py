"""Package definition of sedzoo."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="sedzoo",
    version="0.1.0",
    description="Audio tagging and sound event detection in Keras: a model zoo with SavedModels",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["sedzoo", "sedzoo.*"]),
    python_requires=">=3.11,<3.13",  # keras 3.15 starts at 3.11, tensorflow-io's wheels end at 3.12
    install_requires=[
        "tensorflow>=2.21,<2.22",
        "keras>=3.15,<4",
        "tensorflow-io==0.37.1",
        "tensorflow-hub>=0.16.1",
        "setuptools<82",  # tensorflow-hub imports pkg_resources, which setuptools 82 dropped
        "keras-tuner>=1.4.8",
        "tensorboard",  # keras-tuner imports it in every trial; tensorflow 2.21 does not bring it
        "numpy>=2",
        "librosa>=0.11",
        "scikit-learn>=1.5",
        "h5py>=3",
        "soundfile>=0.13",
        "soxr>=0.5",
        "av>=17.1",  # earlier ones crash where options meet files that do not list their streams
        "google-crc32c>=1.5",  # the checksums of TFRecord files
        "absl-py>=2",
        "matplotlib>=3.9",
        "rich>=13",
    ],
    extras_require={
        "test": ["pytest>=8", "pytest-xdist>=3", "hypothesis>=6", "ruff>=0.6", "jax>=0.6",
                 "sed_eval>=0.2.1"],
        "benchmark": ["torch>=2.6", "onnxruntime>=1.20", "onnx>=1.17"],
    },
    entry_points={"console_scripts": ["sedzoo = sedzoo.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
