"""What the hosts ask about how the extension was compiled."""


def get_compiler_version() -> str:
    """Say that no compiler took part."""
    return 'none (torch-native ops of mmcvgssl)'


def get_compiling_cuda_version() -> str:
    """Answer as an mmcv that was compiled without CUDA does."""
    return 'not available'
