_base_ = 'magnetic_tile.py'

input_size = 512
