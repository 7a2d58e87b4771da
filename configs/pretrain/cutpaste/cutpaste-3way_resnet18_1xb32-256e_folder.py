_base_ = '../../anomaly/cutpaste/cutpaste-3way_resnet18_folder.py'
