// SPDX-License-Identifier: MIT
#include <pam/datasets/find_cases.hpp>
#include "support/phantom.hpp"
#include <pam/images/nifti.hpp>
#include <pam/images/slice_dataset.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <fstream>
#include <limits>

namespace images_slice_dataset_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

std::vector<CaseFiles> phantom_cases(const TempDir& folder, bool pictures, std::int64_t count = 3) {
  write_folder_phantom(folder.path(), pictures, {count, {20, 24}, pictures ? 0 : 6, 3});
  FolderOptions options;
  options.root = folder.path();
  return find_cases(options);
}

std::string why(const std::vector<CaseFiles>& cases, const CaseOptions& options = {}, const SliceOptions& slices = {}) {
  try {
    SliceDataset(cases, options, slices);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("slices carry their case's name and number, and equal the loaded case", "[images]") {
  const TempDir folder;
  const auto cases = phantom_cases(folder, false);
  for (const std::int64_t threads : {0, 2}) {
    for (const auto choice : {SliceChoice::All, SliceChoice::Foreground, SliceChoice::Brain}) {
      SliceOptions options;
      options.slices = choice;
      options.threads = threads;
      std::vector<std::string> reported;
      options.progress = [&](std::int64_t, std::int64_t, const std::string& name) { reported.push_back(name); };
      const SliceDataset data(cases, {}, options);
      std::int64_t index = 0;
      for (const auto& files : cases) {
        const auto whole = load_case(files);
        for (std::int64_t z = 0; z < whole.slices(); ++z) {
          const bool wanted = choice == SliceChoice::All ||
                              (choice == SliceChoice::Foreground ? whole.labels[z].gt(0).any().item<bool>()
                                                                 : whole.image.select(1, z).ne(0).any().item<bool>());
          if (!wanted) continue;
          const auto sample = data.get(index);
          REQUIRE((sample.case_name == files.name && sample.slice == z && data.case_name(index) == files.name));
          REQUIRE(torch::equal(sample.image, whole.image.select(1, z)));
          REQUIRE(torch::equal(sample.labels, whole.labels[z].to(torch::kLong)));
          ++index;
        }
      }
      REQUIRE(data.size() == index);
      REQUIRE(reported == std::vector<std::string>{"case_001", "case_002", "case_003"});
      REQUIRE(data.cases()[1].slices == 6);
      REQUIRE((data.channels() == 1 && data.largest_plane() == PlaneSize{20, 24}));
    }
  }
  REQUIRE(parse_slice_choice("brain") == SliceChoice::Brain);
  REQUIRE_THROWS_WITH(parse_slice_choice("some"), Contains("\"some\"") && Contains("foreground, brain, all"));
}

TEST_CASE("slices of the brain are those of the input, however it is normalised", "[images]") {
  const TempDir folder;
  // 5 slices of 12 x 10: slices 1 to 3 hold brain, slice 3 only at its edge, which a crop of 6 x 6 leaves out.
  auto image = torch::zeros({5, 12, 10}, torch::kShort);
  image.narrow(0, 1, 2).narrow(1, 4, 4).narrow(2, 3, 4).copy_(torch::arange(32).view({2, 4, 4}) + 100);
  image[3][0][0] = 50;
  const auto count = [&](const torch::Tensor& voxels, Normalise normalise, PlaneSize crop = {}) {
    write_nifti(folder / "a.nii.gz", voxels.contiguous(), NiftiGeometry());
    write_nifti(folder / "a_seg.nii.gz", torch::zeros({5, 12, 10}, torch::kByte), NiftiGeometry());
    CaseOptions options;
    options.normalise = normalise;
    options.crop = crop;
    options.window_low = 20, options.window_high = 140;
    SliceOptions slices;
    slices.slices = SliceChoice::Brain;
    return SliceDataset({{"a", {folder / "a.nii.gz"}, folder / "a_seg.nii.gz"}}, options, slices).size();
  };
  for (const auto normalise :
       {Normalise::ZScoreNonzero, Normalise::ZScoreAll, Normalise::None, Normalise::Window, Normalise::MinMax}) {
    CAPTURE(to_string(normalise));
    CHECK(count(image, normalise) == 3);
    CHECK(count(image, normalise, {6, 6}) == 2);
    CHECK(count(image - 1000, normalise) == 3);  // CT: the background is the smallest value
  }
}

TEST_CASE("slices beyond the memory budget live in a nameless file and are the same", "[images]") {
  const TempDir folder, spill;
  for (const bool pictures : {false, true}) {
    const auto cases = phantom_cases(folder, pictures);
    SliceOptions in_memory, on_disk;
    in_memory.slices = on_disk.slices = SliceChoice::All;
    on_disk.memory_mib = 0;
    on_disk.spill_folder = spill.path();
    const SliceDataset a(cases, {}, in_memory), b(cases, {}, on_disk);
    REQUIRE((a.bytes().first > 0 && a.bytes().second == 0));
    REQUIRE((b.bytes().first == 0 && b.bytes().second == a.bytes().first));
    REQUIRE(std::filesystem::is_empty(spill.path()));
    for (std::int64_t i = 0; i < a.size(); ++i) {
      REQUIRE(torch::equal(a.get(i).image, b.get(i).image));
      REQUIRE(torch::equal(a.get(i).labels, b.get(i).labels));
    }
    if (pictures) {  // bytes, not floats: 3 channels of 1 byte and labels of 2
      REQUIRE(a.bytes().first == 3 * 20 * 24 * (3 + 2));
      REQUIRE(torch::equal(a.get(1).image, load_case(cases[1]).image.squeeze(1)));
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      std::filesystem::remove_all(entry.path());
  }
  SliceOptions nowhere;
  nowhere.memory_mib = 0;
  nowhere.spill_folder = folder / "none";
  REQUIRE_THAT(why(phantom_cases(folder, true), {}, nowhere),
               Contains("none") && Contains("memory budget") && Contains("No such file"));
  nowhere.spill_folder.clear();
  {
    const test::Variable elsewhere("TMPDIR", (folder / "none").string());
    const SliceDataset fits(phantom_cases(folder, true));  // nothing is spilt: the folder is not looked at
    REQUIRE(fits.bytes().second == 0);
    REQUIRE_THAT(why(phantom_cases(folder, true), {}, nowhere), Contains("none") && Contains("(TMPDIR)"));
  }
  nowhere.spill_folder = folder / "none";
  nowhere.skip_bad = true;  // the disk's fault, not the case's
  REQUIRE_THAT(why(phantom_cases(folder, true), {}, nowhere), Contains("memory budget"));
}

TEST_CASE("a data set without slices, cases or one number of channels is refused", "[images]") {
  const TempDir folder;
  auto cases = phantom_cases(folder, false);
  CaseOptions options;
  options.labels = LabelMap::parse("7");
  REQUIRE_THAT(why(cases, options), Contains("no slice") && Contains("7") && Contains("SliceOptions::slices"));
  REQUIRE_THAT(why({}), Contains("no cases"));
  cases[1].images.push_back(cases[1].images.front());
  REQUIRE_THAT(why(cases), Contains("case_002") && Contains("number of channels is 2") && Contains("case_001"));
  cases[1].images = {folder / "p.png"};
  cases[1].labels = folder / "l.png";
  write_image(cases[1].images[0], torch::ones({1, 20, 24}, torch::kByte));
  write_label_image(cases[1].labels, torch::ones({20, 24}, torch::kByte));
  REQUIRE_THAT(why(cases), Contains("case_002: is a picture") && Contains("case_001 is a volume"));
  cases[0].labels.clear();
  REQUIRE_THAT(why(cases), Contains("case_001") && Contains("no labels"));
}

TEST_CASE("a corrupt case is an error that names it, or is left out and listed where asked", "[images]") {
  const TempDir folder;
  const auto cases = phantom_cases(folder, false);
  std::filesystem::resize_file(cases[1].images.front(), 200);
  SliceOptions options;
  REQUIRE_THAT(why(cases, {}, options),
               Contains("case case_002") && Contains("case_002.nii.gz") && Contains("cut short"));
  options.skip_bad = true;
  const SliceDataset data(cases, {}, options);
  REQUIRE(data.cases().size() == 2);
  REQUIRE(data.skipped().size() == 1);
  REQUIRE(data.skipped()[0].name == "case_002");
  REQUIRE_THAT(data.skipped()[0].reason, Contains("cut short"));
  for (const auto& item : cases) std::ofstream(item.images.front()) << "x";
  REQUIRE_THAT(why(cases, {}, options), Contains("none of the 3 cases can be used") && Contains("case_001"));
}

TEST_CASE("the slice store gives back every value that it was given", "[images]") {
  SliceStore store(1 << 20, "");
  const auto image = torch::randn({2, 3, 4});
  auto labels = torch::tensor({-1, 0, 1, 32767, 5, 6, 7, 8, 9, 10, 11, 12}, torch::kShort).view({3, 4});
  store.add(image, labels, false);
  store.add(image, {}, false);
  REQUIRE(torch::equal(store.get(0).image, image));
  REQUIRE(torch::equal(store.get(0).labels, labels.to(torch::kLong)));
  REQUIRE_FALSE(store.get(1).labels.defined());
  const auto levels = torch::arange(256, torch::kFloat).view({1, 16, 16}) / 255;
  store.add(levels, {}, true);
  REQUIRE(torch::equal(store.get(2).image, levels));
}

}  // namespace images_slice_dataset_test
