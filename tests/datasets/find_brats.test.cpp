// SPDX-License-Identifier: MIT
#include <pam/datasets/find_brats.hpp>
#include <pam/images/load_case.hpp>
#include "support/phantom.hpp"
#include <pam/data/split.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <fstream>

namespace datasets_find_brats_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;
using Names = std::vector<std::string>;

/// Empty files of a case: FOLDER/NAME/NAME_t1.nii …
void touch_case(const std::filesystem::path& folder, const std::string& name, const std::string& extension = ".nii",
                const Names& kinds = {"t1", "t1ce", "t2", "flair", "seg"}) {
  for (const auto& kind : kinds) write_file(folder / name / (name + "_" + kind + extension), "");
}
BratsOptions in_root(const std::filesystem::path& root) {
  BratsOptions options;
  options.root = root;
  return options;
}
std::string why(const BratsOptions& options) {
  return message_of<Error>([&] { static_cast<void>(find_brats(options)); });
}
std::string joined(const Names& names) { return pam::joined(names, "\n"); }
Names file_names(const CaseFiles& item) {
  Names names;
  for (const auto& file : item.images) names.push_back(file.filename().string());
  return names;
}

TEST_CASE("BRATS 2018: the cases of HGG in channel order; those of LGG are left out with a warning", "[datasets]") {
  const TempDir folder;
  write_brats_phantom(folder.path(), {4, {24, 24}, 8, 2});
  const auto found = find_brats(in_root(folder.path()));
  REQUIRE(names_of(found.cases) == Names{"Brats18_PHA_001_1", "Brats18_PHA_002_1", "Brats18_PHA_004_1"});
  const std::string stem = "Brats18_PHA_001_1_";
  REQUIRE(file_names(found.cases[0]) ==
          Names{stem + "t1.nii.gz", stem + "t1ce.nii.gz", stem + "t2.nii.gz", stem + "flair.nii.gz"});
  REQUIRE_THAT(joined(found.notices), Contains("3 high-grade cases") && Contains("1 low-grade ones left out"));
  CaseOptions options;
  options.labels = LabelMap::parse(kBratsEnhancing);
  const auto first = load_case(found.cases[0], options);
  REQUIRE(first.image.sizes() == torch::IntArrayRef({4, 8, 24, 24}));
  REQUIRE(first.labels.to(torch::kLong).equal(read_nifti(found.cases[0].labels).voxels.eq(4).to(torch::kLong)));
  for (const auto& root : {folder / "HGG", folder / "HGG/"}) {
    const auto high = find_brats(in_root(root));
    REQUIRE((high.cases.size() == 3 && high.notices.empty()));
  }
  REQUIRE_THAT(why(in_root(folder / "LGG")), Contains("no case is high-grade") && Contains("HGG and LGG folders"));
}

TEST_CASE("BRATS 2020: name_mapping.csv gives the high-grade cases, in a wrapper folder, as plain .nii", "[datasets]") {
  const TempDir folder;
  const auto inner = folder / "BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData";
  for (const char* id : {"001", "002", "003", "004"}) touch_case(inner, std::string("BraTS20_Training_") + id);
  // The columns of the real table (names beside the case's own are other years').
  write_file(inner / "name_mapping.csv",
             "\xEF\xBB\xBFGrade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,BraTS_2019_subject_ID,"
             "BraTS_2020_subject_ID\r\nHGG,a,b,c,d,BraTS20_Training_001\r\nLGG,NA,NA,NA,NA,\"BraTS20_Training_002\"\r\n"
             "HGG,a,b,c,d,BraTS20_Training_003\r\n");
  write_file(inner / "survival_info.csv", "Brats20ID,Age\nBraTS20_Training_001,60\n");
  const auto found = find_brats(in_root(folder.path()));
  REQUIRE(names_of(found.cases) == Names{"BraTS20_Training_001", "BraTS20_Training_003"});
  REQUIRE(found.cases[0].labels.filename() == "BraTS20_Training_001_seg.nii");
  REQUIRE_THAT(joined(found.notices), Contains("name_mapping.csv: 2 high-grade cases are taken, 1 low-grade") &&
                                          Contains("1 cases are of no known grade and left out: BraTS20_Training_004"));
  auto options = in_root(folder.path());
  options.grades = folder / "mine.csv";
  write_file(options.grades, "case;grade\nBraTS20_Training_002;HGG\nBraTS20_Training_004;high\n");
  REQUIRE(names_of(find_brats(options).cases) == Names{"BraTS20_Training_002", "BraTS20_Training_004"});
}

TEST_CASE("BRATS 2020's case 355 has its labels under another name, which is taken with a warning", "[datasets]") {
  const TempDir folder;
  touch_case(folder.path(), "BraTS20_Training_355", ".nii", {"t1", "t1ce", "t2", "flair"});
  REQUIRE_THAT(why(in_root(folder.path())), Contains("case BraTS20_Training_355: no seg file"));
  write_file(folder / "BraTS20_Training_355/W39_1998.09.19_Segm.nii", "");
  const auto found = find_brats(in_root(folder.path()));
  REQUIRE(found.cases[0].labels.filename() == "W39_1998.09.19_Segm.nii");
  REQUIRE_THAT(joined(found.notices), Contains("case BraTS20_Training_355: its label file is named W39_1998"));
}

TEST_CASE("BRATS 2021 and other folders without grades: all cases, with a warning", "[datasets]") {
  const TempDir folder;
  touch_case(folder.path(), "BraTS2021_00006", ".nii.gz");
  touch_case(folder.path(), "BraTS2021_00002", ".nii.gz");
  std::filesystem::create_directories(folder / "BraTS2021_00003");
  write_file(folder / "other.csv", "Grade,ID\nHGG,somebody\n");  // a table of other cases gives no grades
  const auto found = find_brats(in_root(folder.path()));
  REQUIRE(names_of(found.cases) == Names{"BraTS2021_00002", "BraTS2021_00006"});
  REQUIRE_THAT(joined(found.notices), Contains("no HGG folder and no grade table") && Contains("all 2 cases"));
  REQUIRE_THAT(joined(found.notices), Contains("hold no NIfTI files (1)") && Contains("BraTS2021_00003"));
  auto options = in_root(folder.path());
  options.modalities = {"flair", "t1ce"};
  REQUIRE(file_names(find_brats(options).cases[0]) ==
          Names{"BraTS2021_00002_flair.nii.gz", "BraTS2021_00002_t1ce.nii.gz"});
}

TEST_CASE("BRATS: files in folders of their own name, and cases to predict on", "[datasets]") {
  const TempDir folder;
  const auto base = folder / "BraTS20_Training_001";
  for (const std::string kind : {"t1", "t1ce", "t2", "flair"}) {
    write_file(base / ("BraTS20_Training_001_" + kind + ".nii") / "00000057_brain.nii", "");
  }
  auto options = in_root(folder.path());
  options.need_labels = false;
  const auto found = find_brats(options);
  REQUIRE(found.cases.size() == 1);
  REQUIRE(found.cases[0].labels.empty());
  REQUIRE(found.cases[0].images[1] == base / "BraTS20_Training_001_t1ce.nii/00000057_brain.nii");
}

TEST_CASE("BraTS-GLI 2023 has other names and codes enhancing tumour as 3: a warning says so", "[datasets]") {
  const TempDir folder;
  const std::string name = "BraTS-GLI-00001-000";
  for (const char* kind : {"t1n", "t1c", "t2w", "t2f"}) {
    write_file(folder / name / (name + "-" + kind + ".nii.gz"), "");
  }
  const auto geometry = geometry_of({{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}});
  const auto seg = folder / name / (name + "-seg.nii.gz");
  auto labels = torch::zeros({2, 4, 4}, torch::kByte);
  labels[0][0][0] = 3;
  write_nifti(seg, labels, geometry);
  const auto found = find_brats(in_root(folder.path()));
  REQUIRE(file_names(found.cases[0])[1] == name + "-t1c.nii.gz");
  REQUIRE_THAT(joined(found.notices), Contains("2023") && Contains("label 3") && Contains("LabelMap::parse(\"3\")"));
  auto quiet = in_root(folder.path());
  quiet.check_names = false;
  REQUIRE_THAT(joined(find_brats(quiet).notices), !Contains("label 3"));
  REQUIRE_THAT(brats_label_notice(found.cases[0]), Contains("-seg.nii.gz: holds label 3 but no 4"));
  labels[1][0][0] = 4;  // BRATS 2015 has both: 3 is not enhancing there
  write_nifti(seg, labels, geometry);
  REQUIRE(brats_label_notice(found.cases[0]).empty());
  REQUIRE(brats_label_notice({}).empty());
}

TEST_CASE("BRATS: a missing modality and two files for one are named, with the case", "[datasets]") {
  const TempDir folder;
  touch_case(folder.path(), "BraTS2021_00006", ".nii.gz", {"t1", "t2", "flair", "seg"});
  touch_case(folder.path(), "BraTS2021_00005", ".nii.gz");
  REQUIRE_THAT(why(in_root(folder.path())), Contains("case BraTS2021_00006: no t1ce file") &&
                                                Contains("BraTS2021_00006_flair.nii.gz") && Contains("CBICA"));
  touch_case(folder.path(), "BraTS2021_00006", ".nii.gz");
  touch_case(folder.path(), "BraTS2021_00006", ".nii", {"t2"});
  REQUIRE_THAT(why(in_root(folder.path())), Contains("case BraTS2021_00006: more than one t2 file") &&
                                                Contains("t2.nii,") && Contains("t2.nii.gz") && Contains("remove"));
  auto options = in_root(folder.path());
  options.modalities = {"pet"};
  REQUIRE_THAT(why(options), Contains("case BraTS2021_00005: no pet file"));
  options.modalities = {"t1", "t1"};
  REQUIRE_THAT(why(options), Contains("t1 is named twice"));
  options.modalities = {};
  REQUIRE_THAT(why(options), Contains("at least one modality"));
}

TEST_CASE("BRATS: tables of grades that cannot be used are refused by name", "[datasets]") {
  const TempDir folder;
  touch_case(folder.path(), "a_1");
  touch_case(folder.path(), "a_2");
  auto options = in_root(folder.path());
  options.grades = folder / "none.csv";
  REQUIRE_THAT(why(options), Contains("none.csv: no such file"));
  options.grades = folder / "table.csv";
  write_file(options.grades, "id,age\na_1,60\n");
  REQUIRE_THAT(why(options), Contains("table.csv: has no column \"Grade\", only id, age"));
  write_file(options.grades, "");
  REQUIRE_THAT(why(options), Contains("table.csv: has no column \"Grade\""));
  write_file(options.grades, "Grade,id\nHGG,b_1\nII,a_1\n");
  REQUIRE_THAT(why(options), Contains("table.csv: grades (HGG or LGG) none of the 2 cases") && Contains("a_1"));
  write_file(options.grades, "Grade,id\nLGG,a_1\nLGG,a_2\n");
  REQUIRE_THAT(why(options), Contains("no case is high-grade according to") && Contains("table.csv"));
  write_file(options.grades, "Grade,id\nHGG,a_1\nLGG,a_1\n");
  REQUIRE_THAT(why(options), Contains("table.csv: calls the case a_1 both HGG and LGG"));
}

TEST_CASE("BRATS: absent data says where to register and what is expected", "[datasets]") {
  const TempDir folder;
  const auto help = pam::detail::help_text(pam::detail::kBratsHelp);
  REQUIRE_THAT(help, Contains("CBICA") && Contains("Synapse") && Contains("ROOT/[HGG/|LGG/]CASE"));
  REQUIRE_THAT(why({}), Contains("no folder") && Contains(help));
  REQUIRE_THAT(why(in_root(folder / "none")), Contains("no such folder") && Contains(help));
  REQUIRE_THAT(why(in_root(folder.path())), Contains("is empty") && Contains(help));
  write_file(folder / "BraTS2021_Training_Data.tar", "");
  REQUIRE_THAT(why(in_root(folder / "BraTS2021_Training_Data.tar")), Contains("is a file") && Contains(help));
  REQUIRE_THAT(why(in_root(folder.path())), Contains("archives have to be unpacked") && Contains(help));
  std::filesystem::create_directories(folder / "HGG/Brats18_1");
  REQUIRE_THAT(why(in_root(folder.path())), Contains("hold no NIfTI files") && Contains(help));
  std::filesystem::remove_all(folder / "HGG");
  touch_case(folder / "first", "a_1");
  REQUIRE_THAT(why(in_root(folder / "first/a_1")), Contains("is the folder of one case"));
  touch_case(folder / "second", "a_2");
  REQUIRE_THAT(why(in_root(folder.path())), Contains("several data sets") && Contains("first") && Contains("second"));
  for (const char* place : {"HGG", "hgg"}) touch_case(folder / "third" / place, "a_3");
  REQUIRE_THAT(why(in_root(folder / "third")), Contains("both are the case \"a_3\""));
}

TEST_CASE("the real BraTS 2021 case loads with its 26,448 voxels of enhancing tumour", "[datasets]") {
  const auto data = shared_dir() / "data/brats";
  if (shared_dir().empty() || !std::filesystem::is_directory(data)) PAM_SKIP("the developers' shared/data is absent");
  const auto found = find_brats(in_root(data));
  REQUIRE(names_of(found.cases) == Names{"BraTS2021_00006"});
  REQUIRE_THAT(joined(found.notices), Contains("no grade table"));
  CaseOptions options;
  options.labels = LabelMap::parse(kBratsEnhancing);
  const auto loaded = load_case(found.cases[0], options);
  REQUIRE(loaded.image.sizes() == torch::IntArrayRef({4, 155, 240, 240}));
  REQUIRE(loaded.labels.eq(1).sum().item<std::int64_t>() == 26448);  // as counted with nibabel (SOURCES.md)
  REQUIRE(loaded.notices.empty());
  REQUIRE(brats_label_notice(found.cases[0]).empty());
  // Channel 1 is t1ce: the enhancing tumour is brighter there than in t1 (channel 0).
  const auto tumour = loaded.labels.eq(1);
  const auto mean_of = [&](int channel) { return loaded.image[channel].masked_select(tumour).mean().item<double>(); };
  REQUIRE(mean_of(1) > mean_of(0) + 0.5);
}

TEST_CASE("BRATS: cases without a modality are left out where the caller takes the reasons", "[datasets]") {
  const TempDir folder;
  for (const char* name : {"BraTS2021_00002", "BraTS2021_00006"}) touch_case(folder.path(), name, ".nii.gz");
  std::filesystem::remove(folder / "BraTS2021_00006" / "BraTS2021_00006_flair.nii.gz");
  REQUIRE_THAT(why(in_root(folder.path())), Contains("case BraTS2021_00006: no flair file"));
  std::vector<std::string> skipped;
  REQUIRE(names_of(find_brats(in_root(folder.path()), &skipped).cases) == Names{"BraTS2021_00002"});
  REQUIRE(skipped.size() == 1);
  REQUIRE_THAT(skipped[0], Contains("case BraTS2021_00006: no flair file"));
}

TEST_CASE("BRATS: pam's results among the cases are passed over", "[datasets]") {
  const TempDir folder;
  touch_case(folder.path(), "BraTS2021_00002", ".nii.gz");
  write_file(folder / "run" / ".pam-results", "");
  write_file(folder / "run" / "BraTS2021_00002.nii.gz", "");
  write_file(folder / "__MACOSX" / "x.nii.gz", "");
  REQUIRE(names_of(find_brats(in_root(folder.path())).cases) == Names{"BraTS2021_00002"});
}

}  // namespace datasets_find_brats_test
