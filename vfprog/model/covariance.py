"""The covariance of all an eye's tests, over locations and visits, and what is done with its inverse.

K = sum_i v_i v_i' (x) B_i + U D U', in units of the SD s of a test: v_i the vectors of :func:`spatial_basis`, B_i the
covariance over the eye's visits of what goes along v_i, and U the disturbances outside this pattern: the shift of
each visit, one decibel at all locations (1 / s in these units), and single tests whose variance is another's (infinite
where a location was not tested). B_i is as small as the eye has visits, and U D U' enters by Woodbury's identity, so
no matrix of the size locations x visits is ever formed.

Arrays: e eye, i vector, t visit, j location, c column of a design; "spectral" ones have i in place of j.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class SingleTests:
    """Tests with a variance of their own beside the common noise.

    Attributes
    ----------
    index : Tensor (eye, test) of int
        Their places among all tests of an eye, visit by visit; rows are padded.
    real : Tensor (eye, test) of bool
        False for padding.
    precision : Tensor (eye, test)
        1 / variance, in units of 1 / s^2; 0 for a test that was not made, 1 for padding.
    locations : int
        Of the grid.
    """

    index: Tensor
    real: Tensor
    precision: Tensor
    locations: int

    @classmethod
    def where(cls, chosen: Tensor, dtype: torch.dtype) -> SingleTests:
        """The tests ``chosen`` (eye, visit, location), as if they had not been made."""
        flat = chosen.flatten(1)
        most = int(flat.sum(1).max()) if flat.any() else 0
        index = flat.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
        real = flat.gather(1, index)
        return cls(index, real, (~real).to(dtype), chosen.shape[2])

    @property
    def visit(self) -> Tensor:
        """Visit of each: (eye, test)."""
        return self.index // self.locations

    @property
    def location(self) -> Tensor:
        """Location of each: (eye, test)."""
        return self.index % self.locations

    def of(self, values: Tensor) -> Tensor:
        """Entries of ``values`` (eye, visit, location, ...): (eye, test, ...), 0 at padding."""
        flat = values.flatten(1, 2)
        further = flat.shape[2:]
        index = self.index.reshape(*self.index.shape, *(1 for _ in further)).expand(-1, -1, *further)
        return flat.gather(1, index) * self.real.reshape(*self.real.shape, *(1 for _ in further))

    def put(self, values: Tensor, into: Tensor) -> Tensor:
        """``into`` (eye, visit, location) with ``values`` (eye, test) in these places."""
        flat = into.flatten(1)
        kept = torch.where(self.real, values, flat.gather(1, self.index))
        return flat.scatter(1, self.index, kept).reshape(into.shape)


@dataclass(frozen=True)
class Solved:
    """A spectral design X, and of K^-1 X what further questions take.

    Attributes
    ----------
    columns : Tensor (eye, vector, visit, column)
        X.
    inside : Tensor (eye, column, column)
        X' B^-1 X.
    along : Tensor (eye, disturbance, column)
        U' B^-1 X.
    outside : Tensor (eye, disturbance, column)
        L^-1 U' B^-1 X, with L L' the matrix of Woodbury's identity, D^-1 + U' B^-1 U.
    """

    columns: Tensor
    inside: Tensor
    along: Tensor
    outside: Tensor

    def gram(self) -> Tensor:
        """X' K^-1 X: (eye, column, column)."""
        return self.inside - self.outside.transpose(1, 2) @ self.outside


class SeriesCovariance:
    """K of a batch of eyes.

    Parameters
    ----------
    vectors : Tensor (location, vector)
    blocks : Tensor (eye, vector, visit, visit)
        B_i, with the noise of a test on the diagonal; padding has noise alone.
    visits : Tensor (eye, visit) of bool
    s : Tensor (eye, location)
        SD of a test, dB.
    visit_variance : Tensor (eye,)
        Of a visit's shift, dB^2.
    single : SingleTests
    """

    def __init__(
        self,
        vectors: Tensor,
        blocks: Tensor,
        visits: Tensor,
        s: Tensor,
        visit_variance: Tensor,
        single: SingleTests,
    ) -> None:
        self.vectors = vectors
        self.visits = visits.to(s.dtype)
        self.shift = (1 / s) @ vectors  # (eye, vector): one decibel everywhere
        chol = torch.linalg.cholesky(blocks)
        self.inverse = torch.cholesky_inverse(chol)
        # A padded visit stands apart from all others, in its block as in its factor.
        of_visits = torch.diagonal(chol, dim1=2, dim2=3).log() * self.visits[:, None]
        self._log_det_blocks = 2 * of_visits.sum((1, 2))
        self.single = single
        self.visit_variance = visit_variance
        of_shifts = torch.einsum("ei,eitu->etu", self.shift**2, self.inverse)
        of_shifts = of_shifts * self.visits[:, :, None] * self.visits[:, None]
        self._overlap = self._with_single(of_shifts)
        self._factor()

    def with_precision(self, precision: Tensor) -> SeriesCovariance:
        """The same but for the precision (eye, test) of the single tests: little work, for the blocks stay."""
        other = object.__new__(SeriesCovariance)
        other.__dict__.update(self.__dict__)
        other.single = replace(self.single, precision=precision)
        other._factor()
        return other

    def _with_single(self, of_shifts: Tensor) -> Tensor:
        """U' B^-1 U: shifts first, single tests after them."""
        test = self.single
        if test.index.shape[1] == 0:
            return of_shifts
        at = self._at_tests()
        index = test.visit[:, None, :, None].expand(-1, at.shape[2], -1, self.inverse.shape[3])
        # B^-1 U of single tests, spectral: (eye, vector, test, visit).
        rows = self.inverse.gather(2, index) * at.transpose(1, 2)[..., None]
        with_shifts = torch.einsum("eimu,ei->emu", rows, self.shift) * self.visits[:, None]
        with_tests = test.of(torch.einsum("eimu,ki->eukm", rows, self.vectors))
        above = torch.cat([of_shifts, with_shifts.transpose(1, 2)], 2)
        return torch.cat([above, torch.cat([with_shifts, with_tests], 2)], 1)

    def _at_tests(self) -> Tensor:
        """The vectors at the locations of the single tests: (eye, test, vector), 0 at padding."""
        return self.vectors[self.single.location] * self.single.real[..., None]

    def _factor(self) -> None:
        shifts = (1 / self.visit_variance)[:, None].expand(self.visits.shape)
        self._precision = torch.cat([shifts, self.single.precision], 1)
        self._woodbury = torch.linalg.cholesky(self._overlap + torch.diag_embed(self._precision))

    @property
    def log_det(self) -> Tensor:
        """log |K| over the tests that were made: (eye,)."""
        of_woodbury = 2 * torch.diagonal(self._woodbury, dim1=1, dim2=2).log().sum(1)
        finite = torch.where(self._precision > 0, self._precision, 1.0)
        return self._log_det_blocks + of_woodbury - finite.log().sum(1)

    def spectral(self, values: Tensor) -> Tensor:
        """(eye, visit, location) -> (eye, vector, visit, 1)."""
        return torch.einsum("etj,ji->eit", values, self.vectors)[..., None]

    def solve(self, columns: Tensor) -> Solved:
        """K^-1 of a spectral design (eye, vector, visit, column)."""
        blocks = self.inverse @ columns
        flat = columns.flatten(1, 2)
        along = self._along_outside(blocks)
        return Solved(columns, flat.transpose(1, 2) @ blocks.flatten(1, 2), along, self._whitened(along))

    def joint_gram(self, one: Solved, other: Solved) -> Tensor:
        """X' K^-1 X of two designs side by side: (eye, column, column)."""
        flat = (self.inverse @ one.columns).flatten(1, 2)
        crossed = flat.transpose(1, 2) @ other.columns.flatten(1, 2)
        crossed = crossed - one.outside.transpose(1, 2) @ other.outside
        above = torch.cat([one.gram(), crossed], 2)
        return torch.cat([above, torch.cat([crossed.transpose(1, 2), other.gram()], 2)], 1)

    def squares(self, columns: Tensor) -> Tensor:
        """x' K^-1 x of each column of a spectral design: (eye, column)."""
        blocks = self.inverse @ columns
        outside = self._whitened(self._along_outside(blocks))
        return (columns * blocks).sum((1, 2)) - (outside**2).sum(1)

    def solve_again(self, solved: Solved, change: Tensor) -> Solved:
        """The same design after ``change`` (eye, test), in units of s, of the single tests of its first column.

        Little work, also where ``solved`` is of a covariance with another precision of the single tests.
        """
        start = self.visits.shape[1]
        moved = self.single.put(change, change.new_zeros(*self.visits.shape, len(self.vectors)))
        columns = torch.cat([solved.columns[..., :1] + self.spectral(moved), solved.columns[..., 1:]], -1)
        step = self._overlap[:, :, start:] @ change[..., None]
        along = torch.cat([solved.along[..., :1] + step, solved.along[..., 1:]], -1)
        halfway = (solved.along + along)[:, start:] / 2  # makes the first entry, a square, come out right too
        crossed = torch.zeros_like(solved.inside)
        crossed[:, 0] = (change[:, None] @ halfway)[:, 0]
        inside = solved.inside + crossed + crossed.transpose(1, 2)
        return Solved(columns, inside, along, self._whitened(along))

    def _along_outside(self, x: Tensor) -> Tensor:
        """U' x for spectral x (eye, vector, visit, column): (eye, disturbance, column)."""
        shifts = torch.einsum("ei,eitc->etc", self.shift, x) * self.visits[..., None]
        test = self.single
        if test.index.shape[1] == 0:
            return shifts
        return torch.cat([shifts, test.of(torch.einsum("ji,eitc->etjc", self.vectors, x))], 1)

    def _whitened(self, x: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self._woodbury, x, upper=False)

    def explain(self, target: Tensor, design: Solved) -> tuple[Tensor, Tensor, Tensor]:
        """What the tests say of further processes along each vector.

        Parameters
        ----------
        target : Tensor (eye, vector, visit, process)
            Covariance of each process along v_i with the tests along v_i.
        design : Solved

        Returns
        -------
        regression : Tensor (eye, vector, process, column)
            target' K^-1 X.
        within : Tensor (eye, vector, process, process)
            target' B^-1 target: what each vector's own tests explain.
        outside : Tensor (eye, vector, process, disturbance)
            What is taken back of that, as its square root: the covariance explained between vectors i and k is
            within_i [i = k] minus outside_i outside_k'.
        """
        solved = self.inverse @ target
        eyes, vectors, _, processes = solved.shape
        along = torch.einsum("ei,eitp->eipt", self.shift, solved) * self.visits[:, None, None]
        test = self.single
        if test.index.shape[1]:
            index = test.visit[:, :, None, None].expand(-1, -1, vectors, processes)
            of_tests = self._at_tests()[..., None] * solved.transpose(1, 2).gather(
                1, index
            )  # (eye, test, vector, process)
            along = torch.cat([along, of_tests.permute(0, 2, 3, 1)], -1)
        flat = along.reshape(eyes, vectors * processes, -1).transpose(1, 2)
        outside = self._whitened(flat).transpose(1, 2).reshape(along.shape)
        regression = torch.einsum("eitp,eitc->eipc", solved, design.columns)
        regression = regression - torch.einsum("eipl,elc->eipc", outside, design.outside)
        return regression, torch.einsum("eitp,eitq->eipq", solved, target), outside

    def tests(self, solved: Solved) -> tuple[Tensor, Tensor]:
        """What single tests would show without their own variance, given all tests and a design's coefficients.

        Returns
        -------
        away : Tensor (eye, test, column)
            The mean of what they would show, minus their values, is ``away`` times (1, -coefficients), the first column
            of ``solved`` being the tests; units of s.
        variance : Tensor (eye, test)
            Its variance, units of s^2.
        """
        start = self.visits.shape[1]
        # Given the coefficients, those of U are normal with mean M^-1 U'B^-1 r and covariance M^-1.
        back = torch.linalg.solve_triangular(self._woodbury.transpose(1, 2), solved.outside, upper=True)
        lower = self._woodbury[:, start:, start:]
        own = torch.eye(lower.shape[1], dtype=lower.dtype, device=lower.device).expand_as(lower)
        root = torch.linalg.solve_triangular(lower, own, upper=False)
        return -back[:, start:], (root**2).sum(1)
