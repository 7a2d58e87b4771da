# images and crops as small as for NEU-DET, for CPUs
_base_ = 'agbp_csp-n_1xb32-30e_neu-det.py'

data_root = 'data/images'
ann_file = ''
