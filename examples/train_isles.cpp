// SPDX-License-Identifier: MIT
/// The paper's training on ISLES, from the files to the table: one network, stroke lesions, 0.7 / 0.1 / 0.2 of the
/// cases to train, to choose the epoch and to test. Every test case is scored as a volume on its own grid.
///
///   train_isles --data ISLES2018 --net fpa --out runs/isles_fpa
///
/// Ctrl-C saves, and the same command with --resume continues. --out gets checkpoints, metrics.csv, predictions/ and
/// scores.csv. The defaults are the paper's table 2; `train --task isles` is the program with more options.
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
  std::string data, net = "fpa", device = "auto", precision = "float32", out = "runs/isles";
  std::int64_t epochs = 60, batch = 80, width = 0, seed = 0;
  double learning_rate = 1e-3;
  bool resume = false;
};

int train(const Settings& s) {
  const std::filesystem::path out = s.out;
  const auto seed = static_cast<std::uint64_t>(s.seed);
  const torch::Device device(s.device != "auto" ? s.device : torch::cuda::is_available() ? "cuda" : "cpu");
  pam::Precision precision{};
  pam::from_string(s.precision, precision);

  // ISLES 2018 or ISLES'22, split by case; training uses the slices that show a lesion.
  const auto found = pam::find_isles(s.data);
  for (const auto& notice : found.notices) std::cerr << "warning: " << notice << "\n";
  const auto split = pam::split_by_fraction(pam::names_of(found.cases), 0.7, 0.1, 0.2, seed);
  const auto validation = pam::select_cases(found.cases, split.validation);
  auto preparation = pam::isles_preparation(found.edition);
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
  const pam::PredictorOptions computing{device, precision, /*channels_last=*/true, s.batch};

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
  options.validate = [&](std::int64_t) -> pam::Validation {  // the mean Dice of the validation cases picks the epoch
    const pam::Predictor predictor(net, preparation, computing);
    std::vector<double> scores;
    for (const auto& files : validation) {
      const auto each = pam::load_case(files, preparation);
      const auto mask = predictor.labels_of_planes(each.image.transpose(0, 1).contiguous());
      if (const auto dice = pam::dice(pam::confusion(mask, each.labels))) scores.push_back(*dice);
    }
    return pam::mean_and_std(scores).mean.value_or(std::nan(""));
  };
  const auto trained =
      pam::fit(net, loader, loss, optimizer, options, pam::combine({pam::ProgressBar(), pam::MetricsLog(out)}));
  if (trained.reason == pam::StopReason::Interrupted) {
    std::cerr << "stopped; continue with --resume\n";
    return 130;
  }

  // The weights of the best epoch, with everything that their file says.
  const pam::CheckpointPaths weights(out);
  const pam::Predictor predictor(trained.best_epoch > 0 ? weights.best : weights.last, computing);
  pam::NetworkResult result;
  result.name = s.net;
  for (const auto& parameter : net->parameters()) result.parameters += parameter.numel();
  for (const auto& files : pam::select_cases(found.cases, split.test)) {
    const auto prediction = pam::predict_case(predictor, files);
    const auto truth = pam::load_labels(files, preparation.labels);
    result.cases.push_back(pam::score_case(prediction.labels, truth, prediction.source.spacing(), files.name));
    pam::write_prediction(prediction, out / "predictions");
  }
  std::cout << pam::network_table({result}, "Stroke lesions on ISLES").text();
  pam::write_atomically(out / "scores.csv", pam::case_table({result}, "").csv());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  CLI::App app{"Trains one network on ISLES 2018 or ISLES'22."};
  app.option_defaults()->always_capture_default();
  app.add_option("--data", s.data, "the folder of ISLES 2018 (TRAINING/) or ISLES'22 (sub-*)")->required();
  app.add_option("--net", s.net, "network by name: unet, fpa, rfna, aunet, …");
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
