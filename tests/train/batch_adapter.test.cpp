// SPDX-License-Identifier: MIT
/// What `fit` takes as batches: torch::data loaders, containers of tensors, classes of the user's own.
#include <pam/train/detail/batch_adapter.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "train/fake_training.hpp"

namespace train_batch_adapter_test {

using namespace pam;
using namespace pam::test;
using Catch::Matchers::Contains;

/// Ten samples with a label that follows from the image; `get` draws a random number, as augmentation does.
struct Numbers : torch::data::datasets::Dataset<Numbers> {
  torch::data::Example<> get(std::size_t index) override {
    const auto image = (torch::arange(72, torch::kFloat).view({2, 6, 6}) * static_cast<float>(index + 3)).sin();
    return {image + 0.01 * torch::randn({}), (image[0] > 0.2).to(torch::kLong)};
  }
  decltype(std::declval<torch::data::datasets::TensorDataset>().size()) size() const override { return 10; }
};

auto torch_loader(std::size_t batch_size = 4) {
  return torch::data::make_data_loader(Numbers().map(torch::data::transforms::Stack<>()), batch_size);
}

FitOptions options_of(std::int64_t epochs, std::int64_t batches_per_epoch) {
  FitOptions options;
  options.epochs = epochs;
  options.batches_per_epoch = batches_per_epoch;
  return options;
}

TEST_CASE("fit trains from a torch::data loader, in the order of a loop that is seeded alike", "[train]") {
  auto net = fake_net();
  auto loader = torch_loader();
  auto optimizer = make_adamw(net);
  std::vector<EpochEnd> ends;
  const auto result = fit(net, *loader, fake_loss, optimizer, options_of(2, 3), [&](const Event& event) {
    if (const auto* end = std::get_if<EpochEnd>(&event)) ends.push_back(*end);
  });
  CHECK(result.steps == 6);
  REQUIRE(ends.size() == 2);
  CHECK(ends[1].loss < ends[0].loss);
}

TEST_CASE("a training from a torch::data loader that was stopped anywhere resumes bit for bit", "[train]") {
  TempDir folder;
  const auto train = [&](const std::string& name, std::int64_t stop_at) {
    auto net = fake_net();
    auto loader = torch_loader();
    auto optimizer = make_adamw(net);
    auto options = options_of(3, 3);
    options.directory = folder / name;
    options.resume = true;
    std::atomic<bool> stop{false};
    options.stop = &stop;
    const auto result = fit(net, *loader, fake_loss, optimizer, options, [&](const Event& event) {
      if (const auto* step = std::get_if<StepEnd>(&event)) stop = step->step == stop_at;
    });
    CHECK(result.steps == (stop_at > 0 ? stop_at : 9));
    return copy_of_weights(net);
  };
  const auto unbroken = train("unbroken", -1);
  train("broken", 2);
  train("broken", 4);
  CHECK(first_difference(train("broken", -1), unbroken) == "");
}

TEST_CASE("a loader that cannot say its number of batches needs it from the options, and must keep to it", "[train]") {
  const auto with = [](std::int64_t batches_per_epoch) {
    return error_of([&] {
      auto net = fake_net();
      auto loader = torch_loader();
      auto optimizer = make_adamw(net);
      fit(net, *loader, fake_loss, optimizer, options_of(1, batches_per_epoch));
    });
  };
  CHECK_THAT(with(0), Contains("does not say how many") && Contains("FitOptions::batches_per_epoch"));
  CHECK(with(3) == "no error");
  CHECK_THAT(with(2), Contains("2 batches per epoch, but gives more") && Contains("batches_per_epoch"));
  CHECK_THAT(with(5), Contains("gave 3 batches in epoch 1") && Contains("batches_per_epoch is 5"));
}

/// A batch with nothing but tensors.
struct PlainBatch {
  torch::Tensor images, labels;
};
/// A source of the user's own: derived from nothing, without `wait_seconds`.
struct PlainSource {
  FakeLoader loader{3};
  std::int64_t batches() const { return loader.batches(); }
  void start_epoch(std::int64_t epoch) { loader.start_epoch(epoch); }
  std::optional<PlainBatch> next() {
    const auto batch = loader.next();
    return batch ? std::optional<PlainBatch>({batch->images, batch->labels}) : std::nullopt;
  }
};

TEST_CASE("batches of plain tensors train as pam's do, whatever holds them", "[train]") {
  const auto trained_on = [](auto& batches) {
    auto net = fake_net();
    auto optimizer = make_adamw(net);
    const auto result = fit(net, batches, fake_loss, optimizer, FitOptions());
    CHECK(result.steps == 3);
    return copy_of_weights(net);
  };
  FakeLoader loader(3);
  const auto expected = trained_on(loader);
  std::vector<std::pair<torch::Tensor, torch::Tensor>> pairs;
  std::vector<Batch> whole;
  std::vector<torch::data::Example<>> examples;
  loader.start_epoch(0);
  while (const auto batch = loader.next()) {
    pairs.push_back({batch->images, batch->labels});
    whole.push_back({batch->images, batch->labels});
    examples.emplace_back(batch->images, batch->labels);
  }
  CHECK(first_difference(trained_on(pairs), expected) == "");
  CHECK(first_difference(trained_on(whole), expected) == "");
  const auto& constant = examples;
  CHECK(first_difference(trained_on(constant), expected) == "");
  PlainSource source;
  CHECK(first_difference(trained_on(source), expected) == "");

  // Without names a message still says which batch it was.
  pairs[1].first[0][0][0][0] = std::nanf("");
  auto net = fake_net();
  auto optimizer = make_adamw(net);
  CHECK_THAT(error_of([&] { fit(net, pairs, fake_loss, optimizer, FitOptions()); }),
             Contains("nan") && Contains("batch 2") && Contains("no case names"));
  std::vector<Batch> none;
  CHECK_THAT(error_of([&] { fit(net, none, fake_loss, optimizer, FitOptions()); }), Contains("no batches"));
}

/// A module as such, without a holder.
struct Bare : torch::nn::Module {
  torch::nn::Conv2d head{register_module("head", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 1, 1)))};
  torch::Tensor forward(const torch::Tensor& x) { return head(x); }
};

TEST_CASE("fit trains a module that has no holder", "[train]") {
  Bare net;
  torch::optim::SGD optimizer(net.parameters(), torch::optim::SGDOptions(0.1));
  const auto before = net.head->weight.detach().clone();
  FakeLoader loader(2);
  CHECK(fit(net, loader, fake_loss, optimizer).steps == 2);
  CHECK_FALSE(torch::equal(net.head->weight, before));
}

}  // namespace train_batch_adapter_test
