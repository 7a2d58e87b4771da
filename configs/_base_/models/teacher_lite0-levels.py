# the fallback teacher with its last two stages beside the embedding
_base_ = 'teacher_lite0.py'

teachers = _base_.teachers
teachers[0].update(levels=(3, 4), input_size=192, interpolation='bilinear')
