// SPDX-License-Identifier: MIT
#include <pam/data/loader.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

namespace data_loader_test {
using namespace pam;
using Catch::Contains;

/// Sample i is filled with i, except what a test makes of it; `get` may be slow, fail, or give other sizes.
class Counting final : public Dataset {
 public:
  explicit Counting(std::int64_t size) : size_(size) {}
  std::int64_t size() const override { return size_; }
  std::string case_name(std::int64_t index) const override { return fmt::format("case_{}", index); }
  Sample get(std::int64_t index) const override {
    ++calls;
    if (delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(index % 3 == 0 ? delay_ms : 0));
    if (index == bad) throw std::runtime_error("the disk is on fire");
    const std::int64_t wide = index == wider ? 9 : 5;
    auto image = torch::full({2, 4, wide}, static_cast<float>(index));
    image[0][0][0] = -1;  // a mark that shows flips
    return {image, torch::full({4, wide}, index % 2, torch::kLong), case_name(index), 10 * index};
  }
  std::int64_t bad = -1, wider = -1, delay_ms = 0;
  mutable std::atomic<std::int64_t> calls{0};

 private:
  std::int64_t size_;
};

std::vector<Batch> epoch_of(DataLoader& loader, std::int64_t epoch) {
  std::vector<Batch> batches;
  loader.start_epoch(epoch);
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

std::vector<std::int64_t> order_of(const std::vector<Batch>& batches) {
  std::vector<std::int64_t> order;
  for (const auto& batch : batches) {
    for (const auto slice : batch.slices) order.push_back(slice / 10);
  }
  return order;
}

TEST_CASE("an epoch holds every sample once, in batches with names, slices and labels", "[data]") {
  const auto data = std::make_shared<Counting>(10);
  LoaderOptions options;
  options.batch_size = 4;
  DataLoader loader(data, options);
  REQUIRE(loader.batches() == 3);
  const auto batches = epoch_of(loader, 0);
  REQUIRE(batches.size() == 3);
  REQUIRE(batches[0].images.sizes() == torch::IntArrayRef({4, 2, 4, 5}));
  REQUIRE(batches[2].images.size(0) == 2);
  const auto order = order_of(batches);
  REQUIRE(std::set<std::int64_t>(order.begin(), order.end()).size() == 10);
  for (const auto& batch : batches) {
    REQUIRE(batch.size() == static_cast<std::int64_t>(batch.case_names.size()));
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      const auto index = batch.slices[static_cast<std::size_t>(i)] / 10;
      REQUIRE(batch.case_names[static_cast<std::size_t>(i)] == fmt::format("case_{}", index));
      REQUIRE(batch.images[i][1].eq(static_cast<float>(index)).all().item<bool>());
      REQUIRE(batch.labels[i].eq(index % 2).all().item<bool>());
    }
  }
  options.drop_last = true;
  DataLoader dropping(data, options);
  REQUIRE(dropping.batches() == 2);
  REQUIRE(epoch_of(dropping, 0).size() == 2);
}

TEST_CASE("batches are the same for any number of threads, differ between epochs, and repeat for an epoch's number",
          "[data]") {
  const auto data = std::make_shared<Counting>(23);
  data->delay_ms = 2;  // so that threads finish out of order
  LoaderOptions options;
  options.batch_size = 3;
  options.seed = 17;
  options.augment = {0.5, 0.5, 0.1};
  options.workers = 0;
  DataLoader alone(data, options);
  const auto first = epoch_of(alone, 4);
  for (const std::int64_t workers : {1, 2, 5}) {
    options.workers = workers;
    options.ahead = workers == 5 ? 1 : 4;
    DataLoader loader(data, options);
    static_cast<void>(epoch_of(loader, 3));
    const auto again = epoch_of(loader, 4);  // no memory of the epoch before
    REQUIRE(again.size() == first.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
      REQUIRE(torch::equal(again[i].images, first[i].images));
      REQUIRE(torch::equal(again[i].labels, first[i].labels));
      REQUIRE(again[i].case_names == first[i].case_names);
    }
  }
  REQUIRE(order_of(epoch_of(alone, 5)) != order_of(first));
  options.seed = 18;
  DataLoader other(data, options);
  REQUIRE(order_of(epoch_of(other, 4)) != order_of(first));
  options.shuffle = false;
  DataLoader straight(data, options);
  std::vector<std::int64_t> expected(23);
  std::iota(expected.begin(), expected.end(), std::int64_t{0});
  REQUIRE(order_of(epoch_of(straight, 1)) == expected);
}

TEST_CASE("augmentation follows the sample, not its place in the batch", "[data]") {
  const auto data = std::make_shared<Counting>(12);
  LoaderOptions options;
  options.seed = 2;
  options.augment.flip_horizontal = 0.5;
  options.batch_size = 1;
  DataLoader ones(data, options);
  options.batch_size = 5;
  DataLoader fives(data, options);
  std::map<std::int64_t, torch::Tensor> seen;
  for (const auto& batch : epoch_of(ones, 1)) seen[batch.slices[0]] = batch.images[0];
  int flipped = 0;
  for (const auto& batch : epoch_of(fives, 1)) {
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      REQUIRE(torch::equal(batch.images[i], seen[batch.slices[static_cast<std::size_t>(i)]]));
      flipped += batch.images[i][0][0][4].item<float>() == -1 ? 1 : 0;
    }
  }
  REQUIRE((flipped > 0 && flipped < 12));
}

TEST_CASE("samples of different sizes are refused by name, or cropped and padded where asked", "[data]") {
  const auto data = std::make_shared<Counting>(4);
  data->wider = 2;
  LoaderOptions options;
  options.batch_size = 4;
  options.shuffle = false;
  DataLoader loader(data, options);
  loader.start_epoch(0);
  REQUIRE_THROWS_WITH(loader.next(),
                      Contains("case_0") && Contains("case_2") && Contains("[2, 4, 5]") && Contains("[2, 4, 9]"));
  options.crop_or_pad = {6, 7};
  DataLoader fitting(data, options);
  const auto batch = epoch_of(fitting, 0)[0];
  REQUIRE(batch.images.sizes() == torch::IntArrayRef({4, 2, 6, 7}));
  namespace F = torch::nn::functional;
  const auto padded = F::pad(data->get(1).image, F::PadFuncOptions({1, 1, 1, 1}).value(0));
  REQUIRE(torch::equal(batch.images[1], padded));
  REQUIRE(torch::equal(batch.labels[1], F::pad(data->get(1).labels, F::PadFuncOptions({1, 1, 1, 1}).value(-1))));
  const auto cropped = F::pad(data->get(2).image.slice(2, 1, 8), F::PadFuncOptions({0, 0, 1, 1}).value(0));
  REQUIRE(torch::equal(batch.images[2], cropped));
}

TEST_CASE("an error in a worker thread is thrown by next with the case's name; the epoch continues", "[data]") {
  const auto data = std::make_shared<Counting>(6);
  data->bad = 3;
  for (const std::int64_t workers : {0, 2}) {
    LoaderOptions options;
    options.batch_size = 2;
    options.shuffle = false;
    options.workers = workers;
    DataLoader loader(data, options);
    loader.start_epoch(0);
    REQUIRE(loader.next().has_value());
    REQUIRE_THROWS_WITH(loader.next(), Contains("case_3") && Contains("on fire"));
    REQUIRE(loader.next()->slices[0] == 40);
    REQUIRE_FALSE(loader.next().has_value());
    REQUIRE_FALSE(loader.next().has_value());
  }
}

TEST_CASE("a loader works only so far ahead, and stops in the middle of an epoch", "[data]") {
  const auto data = std::make_shared<Counting>(1000);
  LoaderOptions options;
  options.ahead = 3;
  options.workers = 2;
  {
    DataLoader loader(data, options);
    loader.start_epoch(0);
    static_cast<void>(loader.next());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    REQUIRE(data->calls <= 1 + 3);
    loader.start_epoch(1);  // drops the rest
    static_cast<void>(loader.next());
  }
  REQUIRE(data->calls < 20);
}

TEST_CASE("waiting time is measured, and two threads hide slow data behind the consumer's work", "[data]") {
  class Slow final : public Dataset {
   public:
    std::int64_t size() const override { return 12; }
    std::string case_name(std::int64_t) const override { return "slow"; }
    Sample get(std::int64_t index) const override {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      return {torch::zeros({1, 2, 2}), torch::zeros({2, 2}, torch::kLong), "slow", index};
    }
  };
  const auto run = [](std::int64_t workers) {
    LoaderOptions options;
    options.workers = workers;
    DataLoader loader(std::make_shared<Slow>(), options);
    loader.start_epoch(0);
    while (auto batch = loader.next()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return loader.wait_seconds();
  };
  const double alone = run(0), helped = run(2);
  CAPTURE(alone, helped);
  REQUIRE(alone >= 12 * 0.02);
  REQUIRE(helped < alone / 2);  // only the first batch must be waited for
}

TEST_CASE("loader options that cannot be are refused", "[data]") {
  const auto data = std::make_shared<Counting>(3);
  const auto why = [&](const LoaderOptions& options) {
    try {
      DataLoader(data, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  LoaderOptions options;
  options.batch_size = 0;
  REQUIRE_THAT(why(options), Contains("batch_size"));
  options = {};
  options.workers = -1;
  REQUIRE_THAT(why(options), Contains("workers"));
  options = {};
  options.ahead = 0;
  REQUIRE_THAT(why(options), Contains("ahead"));
  options = {};
  options.crop_or_pad = {4, 0};
  REQUIRE_THAT(why(options), Contains("4 x 0 pixels") && Contains("two positive numbers, or none"));
  options = {};
  options.batch_size = 4;
  options.drop_last = true;
  REQUIRE_THAT(why(options), Contains("3 samples make no full batch of 4"));
  REQUIRE_THROWS_WITH(DataLoader(std::make_shared<Counting>(0), LoaderOptions{}), Contains("empty"));
  DataLoader loader(data, LoaderOptions{});
  REQUIRE_THROWS_WITH(loader.next(), Contains("start_epoch"));
  class Wrong final : public Dataset {
   public:
    std::int64_t size() const override { return 1; }
    std::string case_name(std::int64_t) const override { return "odd"; }
    Sample get(std::int64_t) const override { return {torch::zeros({2, 2}), {}, "odd", 0}; }
  };
  DataLoader wrong(std::make_shared<Wrong>(), LoaderOptions{});
  wrong.start_epoch(0);
  REQUIRE_THROWS_WITH(wrong.next(), Contains("odd") && Contains("(C, H, W)"));
}

}  // namespace data_loader_test
