"""AdamW by PyTorch's fused kernel: weight decay is decoupled, and reaches all that is trained.

Loshchilov and Hutter (2019). The kernel is that of `torch.optim.AdamW(fused=True)`, to the bit; the class
around it there imports PyTorch's compiler, which takes over a second and 70 MiB and compiles nothing here.
"""

import torch
from torch import Tensor, nn

from isthmus.training.schedule import Recipe

MOMENTS = ("exp_avg", "exp_avg_sq")


class AdamW:
    """The moments of each parameter, and the update by them.

    Args:
        model: whose parameters are trained, where they require a gradient.
        recipe: for `betas`, `eps` and `weight_decay`.

    Attributes:
        state: by parameter its `MOMENTS`, and how often it was updated as `step`; a parameter that has taken
            no part in the loss has none.
    """

    def __init__(self, model: nn.Module, recipe: Recipe):
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.recipe = recipe
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update all parameters that have a gradient.

        Args:
            rate: the learning rate.
        """
        used = [parameter for parameter in self.parameters if parameter.grad is not None]
        if not used:
            return
        for parameter in used:
            if parameter not in self.state:
                moments = {name: torch.zeros_like(parameter) for name in MOMENTS}
                self.state[parameter] = {"step": torch.zeros((), device=parameter.device), **moments}
        steps, first, second = (
            [self.state[parameter][name] for parameter in used] for name in ("step", *MOMENTS)
        )
        for count in steps:
            count.add_(1)
        torch._fused_adamw_(
            used, [parameter.grad for parameter in used], first, second, [], steps,
            lr=rate, beta1=self.recipe.betas[0], beta2=self.recipe.betas[1],
            weight_decay=self.recipe.weight_decay, eps=self.recipe.eps, amsgrad=False, maximize=False,
        )  # fmt: skip

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None
