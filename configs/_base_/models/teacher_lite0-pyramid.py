# the fallback teacher at three sizes, its last two stages pooled in three
# ways: for what differs in size, and for small defects
_base_ = 'teacher_lite0-levels.py'

teachers = _base_.teachers
teachers[0].update(
    input_size=300, pyramid=(96, 160), poolings=('mean', 'std', 'max')
)
