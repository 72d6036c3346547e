// SPDX-License-Identifier: MIT
/// Trains networks to find stroke lesions on ISLES 2018 or ISLES'22, and writes a report.
///   train_isles --data isles2018/ --nets unet fpa rfna --out runs/isles
#include "tasks/isles_task.hpp"

int main(int argc, char** argv) { return pam::apps::run_training(pam::apps::isles_program(), argc, argv); }
