"""No honest file is larger than these bounds: a larger one is called wrong."""

import pytest

from veriframe.model.rendering.frames import OWN_CHANNELS, ImageFormat, RenderTask
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.rendering.sizes import largest_frame_bytes, largest_proof_bytes

SIZE = (640, 400)
PIXELS = SIZE[0] * SIZE[1]


@pytest.mark.parametrize("passes", [(), ("Z", "Mist")])
def test_a_scene_s_own_passes_fit(passes: tuple[str, ...]) -> None:
    """fault_275: 14 channels of the scene's own were larger than one layer may be."""
    task = RenderTask(format=ImageFormat.MULTILAYER, size=SIZE, overrides=Overrides(passes=passes))
    assert largest_frame_bytes(task) >= PIXELS * 4 * task.most_channels > 6_760_058
    assert largest_proof_bytes(task) >= PIXELS * 4 * OWN_CHANNELS


@pytest.mark.parametrize("image_format", [ImageFormat.PNG, ImageFormat.EXR])
def test_one_layer_takes_little(image_format: ImageFormat) -> None:
    """So that a delivered file cannot be padded to gigabytes."""
    assert largest_frame_bytes(RenderTask(format=image_format, size=SIZE)) <= PIXELS * 16.1 + 2**18
