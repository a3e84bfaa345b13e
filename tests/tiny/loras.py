"""LoRAs with random weights."""

import torch
from peft import LoraConfig, get_peft_model_state_dict


def write_lora(pipe, path, seed=0, strength=0.3):
    """Write a LoRA with random weights, as diffusers' training scripts do; return its path."""
    network = type(pipe.transformer).from_config(pipe.transformer.config)
    network.add_adapter(
        LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_v"], init_lora_weights=False)
    )
    state = get_peft_model_state_dict(network)
    generator = torch.Generator().manual_seed(seed)
    state = {k: torch.randn(v.shape, generator=generator) * strength for k, v in state.items()}
    type(pipe).save_lora_weights(path.parent, transformer_lora_layers=state, weight_name=path.name)
    return path
