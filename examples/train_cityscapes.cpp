// SPDX-License-Identifier: MIT
/// Trains networks to find vehicles on Cityscapes, and writes a report.
///   train_cityscapes --data cityscapes/ --nets unet fpa --out runs/cityscapes
#include "programs/cityscapes_task.hpp"

int main(int argc, char** argv) { return pam::programs::run_training(pam::programs::cityscapes_program(), argc, argv); }
