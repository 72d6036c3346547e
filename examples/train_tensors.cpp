// SPDX-License-Identifier: MIT
/// Training on images in memory, in C++ alone: `TensorDataset`, `DataLoader` and `fit`, then a prediction.
/// Run: train_tensors [FOLDER]. With a folder the training writes checkpoints there, and a second run continues from
/// them (for example after Ctrl-C).
#include <pam/pam.hpp>

#include <iostream>

namespace {

/// `count` noisy images (N, 1, 32, 32) of one bright disc each, and where it is, (N, 32, 32). Yours come from anywhere:
/// a camera, a simulation, torch::from_blob.
std::pair<torch::Tensor, torch::Tensor> discs(std::int64_t count) {
  const auto grid = torch::arange(32.0);
  const auto x = torch::randint(8, 24, {count, 1, 1}), y = torch::randint(8, 24, {count, 1, 1});
  const auto labels = (grid - x).square() + (grid.unsqueeze(1) - y).square() < 36;
  const auto images = labels.to(torch::kFloat) + 0.5 * torch::randn({count, 32, 32});
  return {images.unsqueeze(1), labels.to(torch::kLong)};
}

int run(const std::string& folder) {
  torch::manual_seed(0);
  const auto [images, labels] = discs(64);
  pam::LoaderOptions loading;
  loading.batch_size = 8;
  loading.augment.flip_horizontal = 0.5;  // of copies: `images` stays as it is
  pam::DataLoader loader(std::make_shared<pam::TensorDataset>(images, labels), loading);

  // One channel in, one foreground logit out.
  pam::UNet net(pam::UNetOptions<pam::FalsePositiveAttention>(/*in_channels=*/1, /*classes=*/1).width(8));
  auto optimizer = pam::make_adamw(net, {/*learning_rate=*/3e-3});
  pam::FitOptions options;
  options.epochs = 4;
  options.directory = folder;
  options.resume = !folder.empty();
  options.catch_signals = true;  // Ctrl-C finishes the step and saves
  const auto loss = [](const torch::Tensor& logits, const torch::Tensor& truth) {
    return pam::dice_loss(logits, truth);
  };
  const auto result = pam::fit(net, loader, loss, optimizer, options, pam::ProgressBar());

  const auto [test_images, test_labels] = discs(16);
  const auto found = pam::Predictor(net).labels_of_planes(test_images);
  const auto score = pam::dice(pam::confusion(found, test_labels));
  std::cout << fmt::format("{} after {} epochs: Dice {:.2f} on images never seen\n", pam::to_string(result.reason),
                           result.epochs, score.value_or(0));
  return score.value_or(0) > 0.8 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "");
  } catch (const pam::Error& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
