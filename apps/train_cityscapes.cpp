// SPDX-License-Identifier: MIT
/// Trains networks to find vehicles on Cityscapes, and writes a report.
///   train_cityscapes --data cityscapes/ --nets unet fpa --out runs/cityscapes
#include "tasks/cityscapes_task.hpp"

int main(int argc, char** argv) { return pam::apps::run_training(pam::apps::cityscapes_program(), argc, argv); }
