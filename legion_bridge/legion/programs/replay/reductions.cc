#ifndef MAPPERTUNE_CUDA
#define LEGION_CUDA_HD
#include "reductions.inl"
#endif
