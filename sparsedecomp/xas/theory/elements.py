"""Symbols of the elements and their bond lengths."""

from __future__ import annotations

SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn "
    "Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La "
    "Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po "
    "At Rn Fr Ra Ac Th Pa U Np Pu Am Cm"
).split()

# Covalent radii in picometre, by atomic number (B. Cordero et al., Dalton Trans. 2008,
# 2832; high spin where two are given, carbon as sp3).
_RADII = (
    "31 28 128 96 84 76 71 66 57 58 166 141 121 111 107 105 102 106 203 176 170 160 "
    "153 139 161 152 150 124 132 122 122 120 119 120 120 116 220 195 190 175 164 154 "
    "147 146 142 139 145 144 142 139 139 138 139 140 244 215 207 204 203 201 199 198 "
    "198 196 194 192 192 189 190 187 187 175 170 162 151 144 141 136 136 132 145 146 "
    "148 140 150 150 260 221 215 206 200 196 190 187 180 169"
)
_RADIUS = dict(zip(SYMBOLS, map(int, _RADII.split()), strict=True))


def atomic_number(symbol: str) -> int:
    """Atomic number of an element.

    Parameters
    ----------
    symbol : str
        Symbol of the element, such as "Cu".

    Returns
    -------
    int
        Atomic number Z.

    Raises
    ------
    ValueError
        If the symbol is not that of an element from H to Cm, which FEFF knows.

    Examples
    --------
    >>> from sparsedecomp.xas.theory.elements import atomic_number
    >>> atomic_number("Cu")
    29
    """
    if symbol not in _RADIUS:
        raise ValueError(
            f"{symbol!r} is no element from H to Cm: give a symbol such as 'Cu'."
        )
    return SYMBOLS.index(symbol) + 1


def bond_length(first: str, second: str) -> float:
    """Sum of the covalent radii of two elements in angstrom."""
    atomic_number(first), atomic_number(second)
    return (_RADIUS[first] + _RADIUS[second]) / 100
