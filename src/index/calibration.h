// Calibration: which effort reaches which recall, measured on a segment's own vectors.
//
// Some of the vectors, each moved in a direction in which two others differ, so that it is as unknown to the index as a
// question is, are searched for with rising effort; what is found is compared with what exact search finds among all rows.
// Recall is taken less twice its standard error: a promise rather than a guess.
#pragma once

#include <cstdint>
#include <vector>

#include "index/vector_segment.h"

namespace ragtime::index {

// Vectors such as questions are: those of some rows, different and not zero, each moved in a direction in which two others
// differ. Row-major; fewer than `count` where there are few such rows.
std::vector<float> sample_questions(const VectorRows& rows, std::size_t count, std::uint64_t seed);

// Both ascending; empty for kinds without a choice of effort. Ends where recall is almost whole or grows no more.
// `rows` are those that the segment was built from. Costs as much as some sixty exact searches.
std::vector<EffortPoint> calibrate(const VectorSegment& segment, const VectorRows& rows, std::uint64_t seed);

}  // namespace ragtime::index
