"""The tables of a cohort taken apart by eye, once, so that a thousand pages need not search them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.plots.results import Results

Z_PATH = ("z_start", "z_start_sd", "z_slope", "z_slope_sd", "z_correlation")


@dataclass(frozen=True)
class EyeData:
    """Everything known of one eye; arrays are (visit,), (horizon,) and (horizon, location)."""

    rate: pd.Series
    visits: pd.DataFrame
    latents: pd.DataFrame
    z_path: dict[str, np.ndarray]  # the entries Z_PATH of trajectories.nc, (latent,)
    forecast: dict[str, np.ndarray]
    forecast_md: pd.DataFrame
    regions: pd.DataFrame  # of rates_regions.csv
    location_rates: np.ndarray  # dB/year, (location,)
    part: str
    further_loss: pd.DataFrame | None  # its rows of further_loss.parquet; None where they were not asked for

    @property
    def used(self) -> pd.DataFrame:
        """The included visits."""
        return self.visits[self.visits[c.INCLUDED]]


class Eyes:
    """The eyes of a cohort, found by key without searching the tables again for each."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._visits = results.visits.groupby(c.EYE_KEY).indices
        self._latents = results.latents.groupby(c.EYE_KEY).indices
        self._forecasts = results.forecasts.sort_values([c.YEARS_AHEAD, c.LOCATION], ignore_index=True)
        self._forecast_rows = self._forecasts.groupby(c.EYE_KEY).indices
        self._forecast_columns = {
            name: self._forecasts[name].to_numpy()
            for name in (c.YEARS_AHEAD, "td_median", "td_lower", "td_upper")
        }
        self._region_rows = results.rates_regions.groupby(c.EYE_KEY).indices
        located = results.rates_locations.sort_values(c.LOCATION, ignore_index=True)
        self._location_rows = located.groupby(c.EYE_KEY).indices
        self._location_rates = located["rate"].to_numpy()
        self._further = results.further_loss
        self._further_rows = {} if self._further is None else self._further.groupby(c.EYE_KEY).indices
        self._md = results.forecasts_md.sort_values(c.YEARS_AHEAD, ignore_index=True)
        self._md_rows = self._md.groupby(c.EYE_KEY).indices
        tracks = results.trajectories
        keys = zip(tracks["patient_id"].to_numpy(), tracks["laterality"].to_numpy(), strict=True)
        self._track = {key: i for i, key in enumerate(keys)}
        self._z = {name: tracks[name].to_numpy() for name in Z_PATH}
        split = results.split
        self._part = {} if split is None else dict(zip(split[c.PATIENT], split["part"], strict=True))

    def __getitem__(self, rate: pd.Series) -> EyeData:
        """The eye of a row of the numbered rates."""
        key = (rate[c.PATIENT], rate[c.EYE])
        rows, n = self._forecast_rows[key], self._results.locations
        forecast = {name: values[rows].reshape(-1, n) for name, values in self._forecast_columns.items()}
        return EyeData(
            rate=rate,
            visits=self._results.visits.iloc[self._visits[key]],
            latents=self._results.latents.iloc[self._latents[key]],
            z_path={name: values[self._track[key]] for name, values in self._z.items()},
            forecast=forecast,
            forecast_md=self._md.iloc[self._md_rows[key]],
            regions=self._results.rates_regions.iloc[self._region_rows[key]],
            location_rates=self._location_rates[self._location_rows[key]],
            part=self._part.get(rate[c.PATIENT], ""),
            further_loss=None if self._further is None else self._further.iloc[self._further_rows[key]],
        )
