"""``LLMSampler`` of the distribution ``mappertune``, for ``optunahub.load_module``."""

try:
    from mappertune import LLMSampler
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error}: the sampler comes with mappertune; pip install 'mappertune[llm]'"
    ) from error

__all__ = ["LLMSampler"]
