// SPDX-License-Identifier: MIT
/// Trains networks, scores them on cases that were not trained on, and writes a report. --task chooses the data:
///   train --images scans/ --labels masks/ --label-values 1 --nets unet fpa --out runs/mine     your own folder
///   train --task cityscapes --data cityscapes/ --nets unet fpa --out runs/cityscapes
///   train --task brats --data MICCAI_BraTS_2018_Data_Training/ --fold 0 --nets unet fpa rfna --out runs/brats-0
///   train --task isles --data isles2018/ --nets unet fpa rfna --out runs/isles
///   train --demo --out runs/demo        real T1 MRI from Debian's mricron-data
#include "tasks/brats_task.hpp"
#include "tasks/cityscapes_task.hpp"
#include "tasks/folder_task.hpp"
#include "tasks/isles_task.hpp"

#include <filesystem>
#include <iostream>

namespace {

using namespace pam::apps;

/// Deep grey matter (AAL labels 71 to 78) on one real T1 volume: the left hemisphere trains, the right one tests.
TrainingOptions<FolderData> demo_options() {
  const std::filesystem::path templates = "/usr/share/mricron/templates";
  for (const char* name : {"ch2bet.nii.gz", "aal.nii.gz"}) {
    pam::check(std::filesystem::exists(templates / name),
               "--demo: {} is missing; install Debian's mricron-data (apt-get install mricron-data)",
               (templates / name).string());
  }
  TrainingOptions<FolderData> demo;
  demo.title = "Deep grey matter on T1 MRI: left hemisphere trains, right hemisphere tests";
  demo.images = (templates / "ch2bet.nii.gz").string();
  demo.labels = (templates / "aal.nii.gz").string();
  demo.label_values = "71-78";
  demo.split = "hemispheres";
  demo.slices = "foreground";
  demo.score = "trained";
  demo.nets = {"unet", "fpa", "rfna"};
  demo.width = 16;
  demo.epochs = 20;
  demo.batch = 4;
  demo.loss = "dice_bce";  // Dice alone learns slowly in 200 steps, with RFNA's reversed labels most of all
  demo.schedule.kind = pam::ScheduleKind::Constant;
  demo.optimizer.learning_rate = 1e-3;
  demo.out = "runs/demo";
  return demo;
}

int train_folder(int argc, char** argv) {
  const auto program = folder_program();
  CLI::App app{program.help, "train"};
  bool demo = false;
  app.add_flag("--demo", demo, "real T1 MRI from Debian's mricron-data; minutes on two cores");
  const int end = run_training(program, app, argc, argv, [&] {
    if (!demo) return program.defaults;
    for (const char* option : {"--data", "--images", "--labels", "--modalities", "--label-name", "--label-values",
                               "--split", "--folds", "--fold", "--test-share", "--max-cases"}) {
      pam::check(app.count(option) == 0, "{}: --demo brings its own data and split; leave one of the two out", option);
    }
    return demo_options();
  });
  if (demo && end == 0) {
    std::cout << "Weights to start from come with pam (docs/models.md); for the hippocampus on T1 MRI:\n"
                 "  make programs; build/release/bin/predict --weights hippocampus_fpa --input SCANS --out MASKS\n";
  }
  return end;
}

}  // namespace

int main(int argc, char** argv) {
  return guarded([&] {
    const auto task = chosen_recipe(argc, argv);
    if (task == "cityscapes") return run_training(cityscapes_program(), argc, argv);
    if (task == "brats") return run_training(brats_program(), argc, argv);
    if (task == "isles") return run_training(isles_program(), argc, argv);
    return train_folder(argc, argv);
  });
}
