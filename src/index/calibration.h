// Calibration: which effort reaches which recall, measured on a segment's own vectors.
//
// Some of the vectors are searched for with rising effort as though they were not there: what is found is compared with
// what exact search finds among all other rows. A graph has to do without the links that lead through the vector, so that
// this is a little harder than questions are that resemble the vectors, and about as hard as questions that do not.
// Recall is taken less its standard error.
#pragma once

#include <cstdint>
#include <vector>

#include "index/vector_segment.h"

namespace ragtime::index {

// Vectors such as questions are: those of some rows, different and not zero, each moved in a direction in which two others
// differ. Row-major; fewer than `count` where there are few such rows.
std::vector<float> sample_questions(const VectorRows& rows, std::size_t count, std::uint64_t seed);

// Both ascending; empty for kinds without a choice of effort. Ends where recall is almost whole or grows no more.
// `rows` are those that the segment was built from. Costs 256 exact searches, as a product of matrices, and at each
// effort as many searches.
std::vector<EffortPoint> calibrate(const VectorSegment& segment, const VectorRows& rows, std::uint64_t seed);

}  // namespace ragtime::index
