// SPDX-License-Identifier: MIT
/// Trains networks to find enhancing tumour on BRATS, and writes a report.
///   train_brats --data MICCAI_BraTS_2018_Data_Training/ --fold 0 --nets unet fpa rfna --out runs/brats-0
#include "tasks/brats_task.hpp"

int main(int argc, char** argv) { return pam::apps::run_training(pam::apps::brats_program(), argc, argv); }
