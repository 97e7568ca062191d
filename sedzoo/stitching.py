"""Long recordings as overlapping windows on one grid of frames, and their scores as one."""

from dataclasses import dataclass

import numpy as np

from sedzoo.frontend import Frontend


@dataclass(frozen=True)
class Windows:
    """How a recording is cut for a model that hears `num_frames` output frames at a time.

    Windows start at multiples of the frame hop, so that a window's frames are frames of the whole
    recording: time stamps come from one index and cannot drift. All windows have one length; the
    last one ends where the recording ends and overlaps its neighbour by more.

    Args:
        frontend: Frontend of the model.
        time_stride: int > 0, feature frames per output frame.
        num_frames: int > 0, output frames of a window.
        overlap: int in [0, num_frames), output frames that neighbours share.
    """

    frontend: Frontend
    time_stride: int
    num_frames: int
    overlap: int

    def __post_init__(self):
        if not 0 <= self.overlap < self.num_frames:
            raise ValueError("`overlap` must lie in [0, num_frames). Received: "
                             f"overlap={self.overlap}, num_frames={self.num_frames}")

    @property
    def hop_samples(self):
        """Samples from one output frame to the next."""
        return self.frontend.hop_samples * self.time_stride

    @property
    def num_samples(self):
        """Samples of a window: the most that still make no further feature frame."""
        return self.frontend.samples_for(self.num_frames * self.time_stride + 1) - 1

    def cut(self, blocks):
        """Blocks of samples -> (first frame, samples) of each window, in bounded memory.

        A recording that makes no more than one window's frames comes whole, as it is.

        Args:
            blocks: iterable of float32 (n,).
        Yields: (int, float32 (num_samples,)).
        """
        step, hop = self.num_frames - self.overlap, self.hop_samples
        enough = self.frontend.samples_for((self.num_frames + 1) * self.time_stride)
        # `held` begins at frame `origin`, one step before the next window: the last may need it.
        held, origin, first = np.zeros(0, np.float32), 0, 0
        for block in blocks:
            held = np.concatenate([held, block])
            while len(held) - (first - origin) * hop >= enough:
                start = (first - origin) * hop
                yield first, held[start:start + self.num_samples]
                held, origin, first = held[start:], first, first + step
        if not first:
            yield 0, held
            return
        total = origin + self.frontend.num_frames(len(held)) // self.time_stride
        first = total - self.num_frames
        last = held[(first - origin) * hop:][:self.num_samples]
        yield first, np.pad(last, (0, self.num_samples - len(last)))

    def join(self, parts):
        """Scores of the windows -> scores of the recording, cross-faded where windows overlap.

        Args:
            parts: list of (first frame, float32 (num_frames, K)), as `cut` gave them.
        Returns: float32 (T, K).
        """
        if len(parts) == 1:
            return parts[0][1]
        total = parts[-1][0] + self.num_frames
        weights = self._weights()                                              # (T_window, 1)
        scores = np.zeros((total, parts[0][1].shape[1]), np.float32)           # (T, K)
        weight = np.zeros((total, 1), np.float32)
        for first, part in parts:
            scores[first:first + self.num_frames] += weights * part
            weight[first:first + self.num_frames] += weights
        scores /= weight
        return np.clip(scores, 0, 1, out=scores)  # rounding may leave [0, 1]

    def _weights(self):
        """Rises over the overlap, stays 1, falls again; neighbours add up to 1."""
        place = np.arange(self.num_frames) + 0.5
        distance = np.minimum(place, self.num_frames - place)
        return np.minimum(1, distance / max(self.overlap, 1)).astype(np.float32)[:, None]
