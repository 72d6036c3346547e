// SPDX-License-Identifier: MIT
/// The paper's training on BRATS, from the files to the table: one network, one of five folds, enhancing tumour. Every
/// test case is scored as a volume on its own grid.
///
///   train_brats --data BRATS2018 --net fpa --fold 0 --out runs/brats_fpa_0
///
/// Ctrl-C saves, and the same command with --resume continues. --out gets checkpoints, metrics.csv, predictions/ and
/// scores.csv. The defaults are the paper's table 2; `train --task brats` is the program with more options.
#include <pam/datasets/paper_preparation.hpp>
#include <pam/images/load_labels.hpp>
#include <pam/images/slice_dataset.hpp>
#include <pam/inference/predict_case.hpp>
#include <pam/nets/zoo.hpp>
#include <pam/pam.hpp>

#include <CLI/CLI.hpp>

#include <iostream>

namespace {

struct Settings {
  std::string data, net = "fpa", device = "auto", precision = "float32", out = "runs/brats";
  std::int64_t fold = 0, epochs = 80, batch = 50, width = 0, seed = 0;
  double learning_rate = 1e-4;
  bool resume = false;
};

int train(const Settings& s) {
  const std::filesystem::path out = s.out;
  const auto seed = static_cast<std::uint64_t>(s.seed);
  const torch::Device device(s.device != "auto" ? s.device : torch::cuda::is_available() ? "cuda" : "cpu");
  pam::Precision precision{};
  pam::from_string(s.precision, precision);

  // The high-grade cases, split by patient; training uses the slices that show tumour.
  const auto found = pam::find_brats({s.data});
  for (const auto& notice : found.notices) std::cerr << "warning: " << notice << "\n";
  const auto split = pam::split_by_fold(pam::names_of(found.cases), /*folds=*/5, s.fold, seed);
  auto preparation = pam::brats_preparation();
  const auto slices = std::make_shared<pam::SliceDataset>(pam::select_cases(found.cases, split.train), preparation);
  preparation.pad_to_at_least = slices->largest_plane();  // test slices are padded like training slices

  pam::NetworkSpec spec{s.net, slices->channels()};
  if (s.width > 0) spec.width = s.width;
  torch::manual_seed(seed);
  auto net = pam::build_network(spec);
  net->to(device);
  pam::LoaderOptions loading;
  loading.batch_size = s.batch;
  loading.seed = seed;
  loading.augment.flip_horizontal = 0.5;
  loading.crop_or_pad = {std::max(preparation.pad_to_at_least.height, net.min_size()),
                         std::max(preparation.pad_to_at_least.width, net.min_size())};
  pam::DataLoader loader(slices, loading);

  auto optimizer = pam::make_adamw(net, {s.learning_rate});
  pam::SegmentationLoss loss("dice");
  pam::FitOptions options;
  options.epochs = s.epochs;
  options.schedule = pam::Schedule::released();  // x 0.1 at half and at three quarters
  options.precision = precision;
  options.channels_last = true;
  options.seed = s.seed;
  options.directory = out;
  options.resume = s.resume;
  options.catch_signals = true;
  options.metadata = pam::network_metadata(net, {preparation});  // Predictor reads the checkpoints
  const auto trained =
      pam::fit(net, loader, loss, optimizer, options, pam::combine({pam::ProgressBar(), pam::MetricsLog(out)}));
  if (trained.reason == pam::StopReason::Interrupted) {
    std::cerr << "stopped; continue with --resume\n";
    return 130;
  }

  const pam::PredictorOptions computing{device, precision, /*channels_last=*/true, s.batch};
  const pam::Predictor predictor(net, preparation, computing);
  pam::NetworkResult result;
  result.name = s.net;
  for (const auto& parameter : net->parameters()) result.parameters += parameter.numel();
  for (const auto& files : pam::select_cases(found.cases, split.test)) {
    const auto prediction = pam::predict_case(predictor, files);
    const auto truth = pam::load_labels(files, preparation.labels);
    result.cases.push_back(pam::score_case(prediction.labels, truth, prediction.source.spacing(), files.name));
    pam::write_prediction(prediction, out / "predictions");
  }
  std::cout << pam::network_table({result}, fmt::format("Enhancing tumour on BRATS, fold {} of 5", s.fold)).text();
  pam::write_atomically(out / "scores.csv", pam::case_table({result}, "").csv());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  CLI::App app{"Trains one network on one fold of BRATS."};
  app.option_defaults()->always_capture_default();
  app.add_option("--data", s.data, "the folder with HGG/ and LGG/, or with the case folders")->required();
  app.add_option("--net", s.net, "network by name: unet, fpa, rfna, aunet, …");
  app.add_option("--fold", s.fold, "which of the five folds is the test set, 0 to 4");
  app.add_option("--epochs", s.epochs, "passes over the training data");
  app.add_option("--batch", s.batch, "slices per step");
  app.add_option("--lr", s.learning_rate, "learning rate");
  app.add_option("--width", s.width, "channels of level 0 (0: the network's own)");
  app.add_option("--device", s.device, "auto: cuda if there is a GPU")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--precision", s.precision, "type of the computation")
      ->check(CLI::IsMember({"float32", "bfloat16", "float16"}));
  app.add_option("--seed", s.seed, "seed of split, weights, order and flips");
  app.add_flag("--resume", s.resume, "continue the training in --out");
  app.add_option("--out", s.out, "folder for checkpoints, masks and scores");
  try {
    app.parse(argc, argv);
    return train(s);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;  // 0: --help
  } catch (const c10::Error& error) {
    std::cerr << error.what_without_backtrace() << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
  }
  return 2;
}
