// SPDX-License-Identifier: MIT
#include <pam/data/tensor_dataset.hpp>

#include "support/catch.hpp"

#include <pam/data/loader.hpp>

namespace data_tensor_dataset_test {

using namespace pam;
using Catch::Matchers::Contains;

TEST_CASE("samples of tensors in memory are copies, named by their number", "[data]") {
  const auto images = torch::arange(2 * 3 * 4 * 5, torch::kFloat).view({2, 3, 4, 5});
  const auto labels = torch::arange(2 * 4 * 5).view({2, 4, 5}) % 3;
  const TensorDataset data(images, labels);
  REQUIRE(data.size() == 2);
  auto sample = data.get(1);
  CHECK(sample.case_name == "1");
  CHECK(sample.slice == 0);
  CHECK(torch::equal(sample.image, images[1]));
  CHECK(torch::equal(sample.labels, labels[1]));
  sample.image.zero_();
  sample.labels.zero_();
  CHECK(images[1].sum().item<float>() > 0);
  CHECK(labels[1].sum().item<std::int64_t>() > 0);
  CHECK_THROWS_WITH(data.get(2), Contains("no sample 2") && Contains("there are 2"));
  CHECK_THROWS_WITH(data.get(-1), Contains("no sample -1"));
}

TEST_CASE("a view of another layout gives the samples that it shows", "[data]") {
  const auto stored = torch::rand({6, 5, 2, 3});  // (H, W, N, C)
  const auto images = stored.permute({2, 3, 0, 1});
  const auto labels = (stored.select(3, 0).permute({2, 0, 1}) > 0.5).to(torch::kLong);
  const TensorDataset data(images, labels);
  const auto sample = data.get(1);
  CHECK(sample.image.is_contiguous());
  CHECK(torch::equal(sample.image, images[1]));
  CHECK(torch::equal(sample.labels, labels[1]));
}

TEST_CASE("samples of one name are the slices of a case, which several processes do not divide", "[data]") {
  const auto data = std::make_shared<TensorDataset>(torch::rand({5, 1, 2, 2}), torch::zeros({5, 2, 2}, torch::kLong),
                                                    std::vector<std::string>{"a", "b", "a", "a", "b"});
  std::vector<std::int64_t> slices;
  for (std::int64_t i = 0; i < 5; ++i) slices.push_back(data->get(i).slice);
  CHECK(slices == std::vector<std::int64_t>{0, 0, 1, 2, 1});
  CHECK(data->case_name(3) == "a");
  LoaderOptions options;
  options.world_size = 2;
  options.workers = 0;
  DataLoader loader(data, options);
  loader.start_epoch(0);
  std::set<std::string> names;
  while (const auto batch = loader.next()) names.insert(batch->case_names.front());
  CHECK(names.size() == 1);
}

TEST_CASE("augmentation changes samples, not the tensors of the user", "[data]") {
  const auto images = torch::rand({8, 1, 3, 4}), before = images.clone();
  const auto labels = (images.squeeze(1) > 0.5).to(torch::kLong), labels_before = labels.clone();
  LoaderOptions options;
  options.batch_size = 8;
  options.augment.flip_horizontal = 1;
  options.augment.noise = 0.5;
  options.shuffle = false;
  DataLoader loader(std::make_shared<TensorDataset>(images, labels), options);
  loader.start_epoch(0);
  const auto batch = *loader.next();
  CHECK(torch::equal(batch.labels, labels.flip(-1)));
  CHECK_FALSE(torch::equal(batch.images, images.flip(-1)));
  CHECK(torch::equal(images, before));
  CHECK(torch::equal(labels, labels_before));
}

TEST_CASE("tensors that are no images with labels are refused with the remedy", "[data]") {
  const auto images = torch::rand({2, 3, 4, 5});
  const auto labels = torch::zeros({2, 4, 5}, torch::kLong);
  const auto refused = [](const torch::Tensor& x, const torch::Tensor& y, const std::vector<std::string>& names = {}) {
    try {
      const TensorDataset data(x, y, names);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(refused(images, labels) == "accepted");
  CHECK_THAT(refused(images[0], labels), Contains("(N, C, H, W)") && Contains("[3, 4, 5]"));
  CHECK_THAT(refused(torch::Tensor(), labels), Contains("(N, C, H, W)"));
  CHECK_THAT(refused(images.slice(0, 0, 0), labels), Contains("at least one image"));
  CHECK_THAT(refused(images.to(torch::kByte), labels), Contains("float32") && Contains("divide"));
  CHECK_THAT(refused(images, labels.unsqueeze(1)), Contains("(N, H, W)") && Contains("squeeze(1)"));
  CHECK_THAT(refused(images, labels.slice(0, 0, 1)), Contains("[1, 4, 5]"));
  CHECK_THAT(refused(images, labels.transpose(1, 2)), Contains("[2, 5, 4]"));
  CHECK_THAT(refused(images, labels.to(torch::kFloat)), Contains("int64") && Contains("Float"));
  CHECK_THAT(refused(images, torch::Tensor()), Contains("labels"));
  CHECK_THAT(refused(images, labels, {"a"}), Contains("1 case names for 2 images"));
}

}  // namespace data_tensor_dataset_test
