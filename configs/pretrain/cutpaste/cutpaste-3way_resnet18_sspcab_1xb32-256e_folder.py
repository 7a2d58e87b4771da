_base_ = '../../anomaly/cutpaste/cutpaste-3way_resnet18_sspcab_folder.py'
