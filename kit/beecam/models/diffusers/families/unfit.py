"""Video pipelines that can't generate a shot, each with what it needs."""

from __future__ import annotations

_CONTROL = "a video that controls it, which a shot can't carry yet"
_LATENTS = "latents of another pipeline, which aren't part of a shot"
_ALONE = (
    "its network to itself: it rebuilds it for each call, and leaves it so when a clip is stopped"
)
UNFIT = {
    "AnimateDiffControlNetPipeline": _CONTROL,
    "AnimateDiffSparseControlNetPipeline": "frames that control it, which a shot can't carry yet",
    "AnimateDiffVideoToVideoControlNetPipeline": _CONTROL,
    "CogVideoXFunControlPipeline": _CONTROL,
    "ConsisIDPipeline": "an embedding of a face, which a shot can't carry yet",
    "Cosmos2_5_TransferPipeline": _CONTROL,
    "EasyAnimateControlPipeline": _CONTROL,
    "EasyAnimateInpaintPipeline": "a video with a mask, which it names otherwise than a shot",
    "Kandinsky6SRPipeline": "a video to enlarge, while clips have the size that they are asked for",
    "LTX2DFRTemporalRefinePipeline": _LATENTS,
    "LTX2HDRPipeline": "frames of linear light, brighter than white, which a clip can't hold",
    "LTX2LatentUpsamplePipeline": _LATENTS,
    "LTX2VideoDiffusionDecodePipeline": _LATENTS,
    "LTXLatentUpsamplePipeline": _LATENTS,
    **dict.fromkeys(("TextToVideoZeroPipeline", "TextToVideoZeroSDXLPipeline"), _ALONE),
    "WanAnimatePipeline": "videos of a pose and of a face, which a shot can't carry yet",
}
