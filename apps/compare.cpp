// SPDX-License-Identifier: MIT
/// The paper's protocol: networks x folds x repeats on one task, with its tables and paired tests at the end. It can be
/// stopped at any moment and resumed; finished trainings are not repeated.
///   compare --task brats --data MICCAI_BraTS_2018_Data_Training --out runs/brats
///   compare --task folder --data mine --set label_values=1 --set folds=3 --nets unet fpa --out runs/mine
///   compare --task brats --data MICCAI_BraTS_2018_Data_Training --ablation fpa --out runs/figure7-fpa
///   compare --out runs/mine --resume
#include "cli/program.hpp"
#include "comparison/comparison_run.hpp"
#include "engine/networks.hpp"
#include "engine/run.hpp"
#include "tasks/paper_settings.hpp"

#include <iostream>

using namespace pam::apps;

int main(int argc, char** argv) {
  CLI::App app{"Trains networks on every fold of a task, several times, and compares them as the paper does.",
               "compare"};
  const CompareReader reader(app);
  bool list_nets = false;
  app.add_flag("--list-nets", list_nets, "print the names of all networks and exit");
  std::string settings;
  add_settings_flag(app, settings);
  return run_program(app, argc, argv, [&] {
    if (list_nets) {
      print_network_names();
      return kDone;
    }
    if (printed_settings(settings)) return kDone;
    const auto setup = reader.read();
    if (reader.print_config()) {
      std::cout << setup.config().dump(2) << "\n";
      return kDone;
    }
    tune_process(setup.experiment.threads);
    return run_comparison(setup, command_line(argc, argv));
  });
}
