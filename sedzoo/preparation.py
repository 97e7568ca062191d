"""What is done to the waveform of a clip before its features are made."""


def trimmed(waveform, trim_db):
    """A clip without the silence at its two ends; inside nothing is cut.

    Frames of 2048 samples every 512, librosa's own, are silent when their RMS is more than
    `trim_db` below that of the loudest one, which therefore always stays. An RMS under 1e-5
    (-100 dB of full scale) counts as 1e-5, so that digital silence keeps its length.

    Args:
        waveform: float32 (S,), S >= 1.
        trim_db: float > 0, or None to change nothing (Frontend.trim_db).
    Returns: float32 (n,), 1 <= n <= S, a view of `waveform`.
    Source: Xu 2018 (thesis), section 5.2.1, which trims by librosa and does not say how much;
        librosa's own default is 60 dB.
    """
    if trim_db is None:
        return waveform
    import librosa  # only where a clip is trimmed: importing it takes a second

    return librosa.effects.trim(waveform, top_db=trim_db)[0]
