// SPDX-License-Identifier: MIT
/// A service: one `Predictor`, loaded once from a weights file, answers requests from several threads at the same time.
/// A `Predictor` is const and keeps nothing between calls, so the threads need no lock around it; here they only share
/// the queue of requests. The requests are tensors that this program makes itself; a real service would decode them.
///
///   serve [WEIGHTS [THREADS [REQUESTS]]]
///
/// Without WEIGHTS it saves a small network with random weights first, as a training would at its end.
#include <pam/pam.hpp>

#include <atomic>
#include <cctype>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

/// What a training leaves: the weights, which net they are of, and how its images were prepared.
std::filesystem::path train_something(const std::filesystem::path& folder) {
  torch::manual_seed(1);
  pam::UNet net(pam::UNetOptions<pam::FalsePositiveAttention>(/*in_channels=*/3, /*classes=*/2).width(8));
  pam::SaveNetworkOptions with;
  with.preparation.emplace();
  with.preparation->resize = {96, 128};
  const auto path = folder / fmt::format("pam_serve_{}.safetensors", std::random_device()());
  pam::save_network(net, path, with);
  return path;
}

/// An 8-bit RGB picture, (3, H, W). Requests may differ in size: masks come back in the size of their picture.
torch::Tensor request(std::int64_t i) {
  auto picture = torch::full({3, 120 + 8 * i, 160}, 40, torch::kByte);
  picture.narrow(1, 20 + 5 * i, 50).narrow(2, 30, 60).fill_(200);
  return picture;
}

/// All masks, computed by `threads` threads.
std::vector<torch::Tensor> serve(const pam::Predictor& predictor, const std::vector<torch::Tensor>& requests,
                                 std::size_t threads) {
  std::vector<torch::Tensor> masks(requests.size());
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      at::set_num_threads(1);  // many requests at once: one core each, instead of all cores for each
      for (auto i = next++; i < requests.size(); i = next++) masks[i] = predictor.labels(requests[i]);
    });
  }
  for (auto& worker : workers) worker.join();
  return masks;
}

/// `text` as a whole number, 1 to 1024; `name` is what the usage calls it.
std::size_t count_from(const std::string& text, const char* name) {
  std::size_t end = 0;
  long value = 0;
  if (!text.empty() && std::isdigit(static_cast<unsigned char>(text[0])) && text.size() <= 4) {
    value = std::stol(text, &end);
  }
  pam::check(end == text.size() && value >= 1 && value <= 1024, "{}: must be a whole number from 1 to 1024, got {}", name,
             text);
  return static_cast<std::size_t>(value);
}

int run(const std::vector<std::string>& arguments) {
  const auto temporary = std::filesystem::temp_directory_path();
  const std::filesystem::path weights =
      arguments.empty() ? train_something(temporary) : std::filesystem::path(arguments[0]);
  const auto threads = arguments.size() > 1 ? count_from(arguments[1], "THREADS") : 4;
  const auto count = arguments.size() > 2 ? count_from(arguments[2], "REQUESTS") : 8;
  const pam::Predictor predictor(weights);
  if (arguments.empty()) std::filesystem::remove(weights);

  std::vector<torch::Tensor> requests;
  for (std::size_t i = 0; i < count; ++i) requests.push_back(request(static_cast<std::int64_t>(i)));
  const auto alone = serve(predictor, requests, 1);
  const pam::Stopwatch watch;
  const auto masks = serve(predictor, requests, threads);
  const auto seconds = watch.seconds();
  std::size_t equal = 0;
  for (std::size_t i = 0; i < masks.size(); ++i) equal += torch::equal(masks[i], alone[i]) ? 1 : 0;
  std::cout << threads << " threads answered " << masks.size() << " requests in " << seconds << " s; " << equal
            << " masks equal those of one thread\n";
  return equal == masks.size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const c10::Error& error) {
    std::cerr << error.what_without_backtrace() << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
  }
  return 2;
}
