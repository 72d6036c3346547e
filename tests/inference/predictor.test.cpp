// SPDX-License-Identifier: MIT
#include <pam/attention/cbam.hpp>
#include <pam/attention/global_context.hpp>
#include <pam/attention/spatial_channel_squeeze_excite.hpp>
#include <pam/images/crop.hpp>
#include <pam/images/image.hpp>
#include <pam/images/load_case.hpp>
#include <pam/images/nifti.hpp>
#include <pam/inference/predict_planes.hpp>
#include <pam/inference/predictor.hpp>
#include <pam/nets/gated_skip.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <atomic>
#include <limits>
#include <thread>

namespace inference_predictor_test {

using namespace pam;
using Catch::Contains;
using test::TempDir;

template <typename Net, typename Options>
Network small_net(const char* name, Options options) {
  torch::manual_seed(7);
  options.width(4);
  return Network(name, Net(options));
}
Network unet(std::int64_t channels, std::int64_t classes = 1) {
  return small_net<UNet<ConvBlock>>("unet", UNetOptions<ConvBlock>(channels, classes));
}
Network rfna(std::int64_t channels) {
  return small_net<UNet<ReverseFalseNegativeAttention>>("rfna",
                                                        UNetOptions<ReverseFalseNegativeAttention>(channels, 1));
}

/// How a training scored a case before there was a Predictor: the file loaded, whole slices in batches, padded to the
/// net's smallest input, and the labels taken back to the file's grid.
torch::Tensor scored(const Network& net, const std::filesystem::path& file, const CaseOptions& preparation) {
  const auto source = load_case({"case", {file}, {}}, preparation);
  net->eval();
  PredictOptions how;
  how.batch = 3;
  how.max_plane_pixels = std::numeric_limits<std::int64_t>::max();
  how.min_size = net.min_size();
  const auto forward = [&](const torch::Tensor& x) {
    return pam::probabilities(net(x).to(torch::kFloat), net.reversed());
  };
  return to_input_grid(labels_of(predict_planes(forward, source.image.transpose(0, 1).contiguous(), how)), source);
}

PredictorOptions in_threes() {
  PredictorOptions options;
  options.batch = 3;
  return options;
}

TEST_CASE("a volume in memory gets the mask that a training gives its file, bit for bit", "[inference]") {
  const TempDir folder;
  torch::manual_seed(1);
  const auto volume = torch::randint(0, 900, {5, 61, 44}, torch::kShort);
  const auto file = folder / "scan.nii.gz";
  write_nifti(file, volume, {});
  for (const auto& net : {unet(1), rfna(1), unet(1, 3)}) {
    for (const auto crop : {PlaneSize{}, PlaneSize{48, 50}}) {
      for (const auto pad : {PlaneSize{}, PlaneSize{72, 40}}) {
        CAPTURE(net.name(), net.classes(), crop.height, pad.height);
        CaseOptions preparation;
        preparation.crop = crop;
        preparation.pad_to_at_least = pad;
        const auto expected = scored(net, file, preparation);
        const Predictor predictor(net, preparation, in_threes());
        const auto image = volume.unsqueeze(0);
        const auto labels = predictor.labels(image);
        REQUIRE(torch::equal(labels, expected));
        REQUIRE(labels.sizes() == torch::IntArrayRef({5, 61, 44}));
        const auto p = predictor.probabilities(image);
        REQUIRE(p.sizes() == torch::IntArrayRef({net.classes(), 5, 61, 44}));
        REQUIRE(torch::equal(labels_of(p.transpose(0, 1)), expected));  // nothing is resized
      }
    }
  }
}

TEST_CASE("a picture in memory gets the mask that a training gives its file, bit for bit", "[inference]") {
  const TempDir folder;
  torch::manual_seed(2);
  const auto picture = torch::randint(0, 256, {3, 75, 94}, torch::kByte);
  const auto deep = torch::randint(0, 65536, {1, 75, 94}, torch::kInt);
  write_image(folder / "picture.png", picture);
  write_image(folder / "deep.png", deep);
  for (const auto resize : {PlaneSize{}, PlaneSize{40, 120}, PlaneSize{33, 47}}) {
    for (const auto crop : {PlaneSize{}, PlaneSize{36, 41}}) {
      for (const auto normalise : {Normalise::Auto, Normalise::ZScoreNonzero, Normalise::None}) {
        CAPTURE(resize.height, crop.height, to_string(normalise));
        CaseOptions preparation;
        preparation.resize = resize;
        preparation.crop = crop;
        preparation.pad_to_at_least = {38, 38};
        preparation.normalise = normalise;
        const auto net = unet(3, 4);
        const Predictor predictor(net, preparation);
        const auto expected = scored(net, folder / "picture.png", preparation);
        REQUIRE(torch::equal(predictor.labels(picture), expected[0]));
        REQUIRE(predictor.probabilities(picture).sizes() == torch::IntArrayRef({4, 75, 94}));
        const auto grey = unet(1);
        REQUIRE(
            torch::equal(Predictor(grey, preparation).labels(deep), scored(grey, folder / "deep.png", preparation)[0]));
        preparation.channels = 1;  // colours become grey, as read_image makes them
        REQUIRE(torch::equal(Predictor(grey, preparation).labels(picture),
                             scored(grey, folder / "picture.png", preparation)[0]));
      }
    }
  }
  // A net of one or three channels gets pictures so.
  REQUIRE(Predictor(unet(1)).labels(picture).sizes() == torch::IntArrayRef({75, 94}));
  REQUIRE(Predictor(unet(3)).labels(deep).sizes() == torch::IntArrayRef({75, 94}));
}

/// Looks at single pixels, so that windows, padding and mirror images must all give the same.
struct PixelNetImpl : torch::nn::Module {
  explicit PixelNetImpl(bool reversed) : reversed_(reversed) {
    mix = register_module("mix", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 1, 1)));
  }
  torch::Tensor forward(const torch::Tensor& x) { return mix(x); }
  bool reversed() const { return reversed_; }
  torch::nn::Conv2d mix{nullptr};
  bool reversed_;
};
TORCH_MODULE(PixelNet);

TEST_CASE("windows, batches and mirror images agree with whole planes where the net sees single pixels",
          "[inference]") {
  torch::manual_seed(3);
  PixelNet net(false), opposite(true);
  for (std::size_t i = 0; i < 2; ++i) opposite->parameters()[i].data().copy_(net->parameters()[i]);
  const auto planes = torch::randn({3, 2, 45, 31});
  const auto whole = Predictor(net).probabilities_of_planes(planes);
  torch::NoGradGuard no_grad;
  // One sigmoid of one convolution: float32 rounding of sums in another order.
  CHECK(torch::allclose(whole, torch::sigmoid(net->forward(planes)), 1e-5, 1e-6));
  for (const auto& [window, overlap, batch] :
       std::vector<std::tuple<std::int64_t, double, std::int64_t>>{{16, 0.5, 1}, {16, 0.0, 5}, {40, 0.75, 2}}) {
    for (const bool flip : {false, true}) {
      CAPTURE(window, overlap, batch, flip);
      PredictorOptions options;
      options.window = window;
      options.overlap = overlap;
      options.batch = batch;
      options.flip = flip;
      CHECK(torch::allclose(Predictor(net, {}, options).probabilities_of_planes(planes), whole, 1e-5, 1e-6));
    }
  }
  PredictorOptions one_window;
  one_window.window = 45;
  CHECK(torch::equal(Predictor(net, {}, one_window).probabilities_of_planes(planes), whole));
  // A net of the user's own that says it learnt reversed labels: 1 - p.
  CHECK(Predictor(opposite).reversed());
  CHECK(torch::allclose(Predictor(opposite).probabilities_of_planes(planes), 1 - whole, 1e-5, 1e-6));
  PredictorOptions strict;
  strict.threshold = 0.9;
  CHECK(torch::equal(Predictor(net, {}, strict).labels_of_planes(planes), whole.squeeze(1).gt(0.9).to(torch::kLong)));
}

TEST_CASE("four threads on one const Predictor get what one thread gets, bit for bit", "[inference]") {
  using Cbam = Attended<CBAM>;
  using Scse = Attended<SpatialChannelSqueezeExcite>;
  using Context = Attended<GlobalContext>;
  const std::vector<Network> nets{
      small_net<UNet<FalsePositiveAttention>>("fpa", UNetOptions<FalsePositiveAttention>(2, 1)),
      rfna(2),
      small_net<UNet<Cbam>>("cbam", UNetOptions<Cbam>(2, 1)),
      small_net<UNet<Scse>>("scse", UNetOptions<Scse>(2, 1)),
      small_net<UNet<Context>>("gc", UNetOptions<Context>(2, 1)),
      small_net<UNet<ConvBlock, ConvBlock, ConvBlock, GatedSkip>>(
          "aunet", UNetOptions<ConvBlock, ConvBlock, ConvBlock, GatedSkip>(2, 1))};
  torch::manual_seed(5);
  std::vector<torch::Tensor> images;
  for (std::int64_t i = 0; i < 4; ++i) images.push_back(torch::rand({2, 3, 70 + i, 66}) + 1);
  for (const auto& net : nets) {
    CAPTURE(net.name());
    PredictorOptions options;
    options.batch = 2;
    options.precision = net.name() == "fpa" ? Precision::Bfloat16 : Precision::Float32;  // autocast is per thread
    const Predictor predictor(net, {}, options);
    std::vector<torch::Tensor> alone, together(images.size());
    for (const auto& image : images) alone.push_back(predictor.probabilities(image));
    std::atomic<int> differences{0};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < images.size(); ++t) {
      threads.emplace_back([&, t] {
        for (int round = 0; round < 3; ++round) {
          const auto i = (t + static_cast<std::size_t>(round)) % images.size();
          if (!torch::equal(predictor.probabilities(images[i]), alone[i])) ++differences;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    REQUIRE(differences == 0);
  }
}

TEST_CASE("a prediction builds no graph and keeps nothing, whatever the caller's grad mode", "[inference]") {
  const auto net = rfna(1);
  const Predictor predictor(net);
  REQUIRE(torch::GradMode::is_enabled());
  auto image = torch::rand({1, 2, 40, 40}) + 1;
  image.requires_grad_(true);
  const auto planes = image.detach().clone();
  const std::vector<torch::Tensor> results{predictor.probabilities(image), predictor.labels(image),
                                           predictor.probabilities_of_planes(planes.transpose(0, 1)),
                                           predictor.labels_of_planes(planes.transpose(0, 1))};
  for (const auto& result : results) {
    CHECK_FALSE(result.requires_grad());
    CHECK(result.grad_fn() == nullptr);
    CHECK(result.use_count() == 1);
  }
  CHECK(torch::GradMode::is_enabled());
  CHECK(image.use_count() == 1);  // an autograd graph would hold what it saw
  CHECK(planes.storage().use_count() == 1);
  for (const auto& parameter : net->parameters()) CHECK_FALSE(parameter.grad().defined());
  const c10::InferenceMode inference;
  CHECK(torch::equal(predictor.labels(planes), results[1]));
}

TEST_CASE("a Predictor from a file predicts as the net that was saved", "[inference]") {
  const TempDir folder;
  const auto net = rfna(2);
  CaseOptions preparation;
  preparation.crop = {60, 66};
  save_network(net, folder / "net.pt", {preparation, {}});
  const Predictor predictor((folder / "net.pt"));
  CHECK(predictor.reversed());
  CHECK(predictor.in_channels() == 2);
  CHECK(predictor.min_size() == 65);
  CHECK(predictor.preparation().crop == preparation.crop);
  const auto image = torch::rand({2, 2, 70, 66}) + 1;
  CHECK(torch::equal(predictor.probabilities(image), Predictor(net, preparation).probabilities(image)));
  CHECK(torch::equal(Predictor(load_network(folder / "net.pt")).labels(image), predictor.labels(image)));
  // Outside of the crop is background, for a reversed net too.
  CHECK(predictor.probabilities(image).narrow(2, 0, 5).eq(0).all().item<bool>());
}

TEST_CASE("a Predictor refuses options out of range and images that do not fit", "[inference]") {
  const auto net = rfna(2);
  const auto refused = [&](const std::function<void(PredictorOptions&)>& change, const std::string& sentence) {
    PredictorOptions options;
    change(options);
    CHECK_THROWS_WITH(Predictor(net, {}, options), Contains(sentence));
  };
  refused([](auto& o) { o.batch = 0; }, "PredictorOptions::batch");
  refused([](auto& o) { o.overlap = 1; }, "PredictorOptions::overlap");
  refused([](auto& o) { o.window = 64; }, "smallest input of 65 pixels");
  refused([](auto& o) { o.threshold = 1.5; }, "PredictorOptions::threshold");
  refused([](auto& o) { o.precision = Precision::Float16; }, "float16");
  const Predictor predictor(net);
  CHECK_THROWS_WITH(predictor.labels(torch::rand({3, 2, 70, 70})), Contains("takes 2 channels, the image has 3"));
  CHECK_THROWS_WITH(predictor.labels(torch::rand({70, 70})), Contains("a picture (C, H, W) or a volume (C, D, H, W)"));
  CHECK_THROWS_WITH(predictor.labels(torch::Tensor()), Contains("undefined"));
  CHECK_THROWS_WITH(predictor.labels_of_planes(torch::rand({1, 3, 70, 70})), Contains("takes 2 channels"));
  CHECK_THROWS_WITH(predictor.labels_of_planes(torch::rand({2, 70, 70})), Contains("(D, C, H, W)"));
  CHECK_THROWS_WITH(predictor.labels(torch::full({2, 1, 70, 70}, NAN)), Contains("CaseOptions::zero_non_finite"));
}

}  // namespace inference_predictor_test
