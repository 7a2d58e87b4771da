# for a collection in which most images show a defect: its like is in many
# other images, so a patch is compared with all of them, not with the nearest
_base_ = 'musc_lite0_folder.py'

model = dict(share=1.0)
