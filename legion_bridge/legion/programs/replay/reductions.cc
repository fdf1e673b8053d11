#ifndef MAPPERTUNE_CUDA
#include "reductions.inl"
#endif
