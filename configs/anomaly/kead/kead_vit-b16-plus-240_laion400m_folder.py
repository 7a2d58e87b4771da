_base_ = [
    '../../_base_/models/kead.py',
    '../../_base_/loaders/one_class.py',
    '../../_base_/anomaly_runtime.py',
]

input_size = 240

# to be given: a shipped name (steel_strip, magnetic_tile, casting_billet,
# steel_pipe, mvtec) or the path of a file of your own, such as
#   plug: {name: brass plug, good: ['shiny {}'], defects: ['{} with a dent']}
model = dict(knowledge='')
