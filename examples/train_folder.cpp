// SPDX-License-Identifier: MIT
/// Trains networks on a folder of NIfTI or PNG with labels, scores them on cases that did not train, and writes a
/// report.
///   train_folder --images scans/ --labels masks/ --label-values 1 --nets unet fpa --out runs/mine
///   train_folder --demo --out runs/demo        real T1 MRI from Debian's mricron-data
#include "programs/folder_task.hpp"
#include "programs/networks.hpp"
#include "programs/program.hpp"
#include "programs/run.hpp"

#include <filesystem>
#include <iostream>

namespace {

using namespace pam::programs;

/// Everything that train_folder can be told.
struct Options : FolderData, ExperimentOptions {
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    FolderData::visit(self, field);
    ExperimentOptions::visit(self, field);
  }
};

/// Deep grey matter (AAL labels 71 to 78) on one real T1 volume: the left hemisphere trains, the right one tests.
Options demo_options() {
  const std::filesystem::path templates = "/usr/share/mricron/templates";
  for (const char* name : {"ch2bet.nii.gz", "aal.nii.gz"}) {
    pam::check(std::filesystem::exists(templates / name),
               "--demo: {} is missing; install Debian's mricron-data (apt-get install mricron-data)",
               (templates / name).string());
  }
  Options demo;
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
  demo.schedule.kind = pam::ScheduleKind::kConstant;
  demo.optimizer.learning_rate = 1e-3;
  demo.out = "runs/demo";
  return demo;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Trains networks on a folder of NIfTI or PNG with labels, and reports how well they do.",
               "train_folder"};
  OptionReader reader(app);
  add_folder_flags(reader);
  add_experiment_flags(reader);
  bool demo = false, list_nets = false;
  app.add_flag("--demo", demo, "real T1 MRI from Debian's mricron-data; minutes on two cores");
  app.add_flag("--list-nets", list_nets, "print the names of all networks and end");
  return run_program(app, argc, argv, [&] {
    if (list_nets) {
      for (const auto& name : all_network_names()) std::cout << name << "\n";
      return kDone;
    }
    auto options = demo ? demo_options() : Options();
    reader.read(options);
    if (reader.printed(options)) return kDone;
    check_folder_options(options);
    tune_process(options.threads);
    const auto config = pam::options_to_json(options);
    return run_experiment(options, config, command_line(argc, argv),
                          [&] { return folder_task(options, options.seed); });
  });
}
