# for fine defects of parts: two levels of more pixels, whitened
_base_ = 'patchcore_lite0_folder.py'

input_size = 512
model = dict(
    teacher=dict(levels=(2, 3)),
    grid='coarsest',
    whiten=True,
    top=0.01,
)
